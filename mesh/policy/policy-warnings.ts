import type { AuthorizationPolicySpec, Policy, PolicyConfig } from '../model/policy.ts'
import type { PathNormalization } from '../routing/path.ts'
import { neverMatching } from './warnings/never-matching.ts'
import { requestsOnTcp } from './warnings/requests-on-tcp.ts'
import { fieldsOf, type Path } from './warnings/rule-fields.ts'
import { saferPatterns } from './warnings/safer-patterns.ts'

/** Something in a policy that does not do what it says. */
export interface PolicyWarning {
  /** Of the field, in the resource. */
  readonly path: Path
  /** Lower case, no full stop; reads on after the path. */
  readonly message: string
}

/** A port of a workload, by what is judged there. */
export interface PolicyPort {
  /** The workload's, not a service's. */
  readonly port: number
  readonly protocol: 'http' | 'tcp'
}

/** What is known about the place that a policy is for. */
export interface PolicySurroundings extends Pick<PolicyConfig, 'rootNamespace' | 'trustDomain' | 'trustDomainAliases'> {
  readonly pathNormalization: PathNormalization
  /** The ports of all workloads that the policy holds for; undefined where they are not known. */
  readonly ports: readonly PolicyPort[] | undefined
  /** Nobody can reach these workloads otherwise than in plaintext, so that no caller has an identity. */
  readonly isPlaintextOnly: boolean
}

/** Finds what an AuthorizationPolicy says and does not do: each is valid, and hardly what was meant. */
export function authorizationWarnings(
  policy: Pick<Policy<AuthorizationPolicySpec>, 'namespace' | 'spec'>,
  surroundings: PolicySurroundings,
): readonly PolicyWarning[] {
  const { spec } = policy
  const { action = 'ALLOW', rules = [] } = spec
  return [
    ...emptySelector(policy, surroundings),
    ...(action === 'AUDIT' && rules.length === 0 ? [warning(['spec'], 'has no rules, and so reports nothing')] : []),
    ...rules.flatMap((rule, index) => {
      const fields = fieldsOf(rule, ['spec', 'rules', index])
      return [
        ...requestsOnTcp(action, rule, fields, surroundings.ports),
        ...saferPatterns(action, fields),
        ...neverMatching(fields, surroundings),
      ]
    }),
  ]
}

function emptySelector(
  { namespace, spec }: Pick<Policy<AuthorizationPolicySpec>, 'namespace' | 'spec'>,
  { rootNamespace }: PolicySurroundings,
): readonly PolicyWarning[] {
  const { selector } = spec
  if (selector === undefined || Object.keys(selector.matchLabels ?? {}).length > 0) return []
  const whole = namespace === rootNamespace ? 'the mesh' : `namespace ${namespace}`
  return [warning(['spec', 'selector'], `has no labels, and so the policy holds for every workload of ${whole}`)]
}

function warning(path: Path, message: string): PolicyWarning {
  return { path, message }
}
