import type { JoinPolicy } from '../../mesh/resources/join-policy.ts'
import type { Resource } from '../../mesh/resources/resource.ts'
import { parseDurationMs } from '../../mesh/std/duration.ts'
import type { NodeEvidence, NodeRecord } from '../store/store.ts'

/** What JoinPolicies say of hosts. */
export interface Admission {
  /** The policies that let this evidence in as that node. */
  admitting(evidence: Pick<NodeEvidence, 'kind' | 'grade' | 'claims'>, node: string): readonly JoinPolicy[]
  /**
   * Whether a node may hold an identity that the registry of that name places on it: the policy that says so. With none
   * of its identities named, policies leave it to what operators declare.
   */
  right(node: NodeRecord, identity: string, registry: string): JoinPolicy | undefined
  /** Longest life of a certificate of the node, in milliseconds; undefined for no limit. Without identity: its own. */
  lifeMs(node: NodeRecord, identity?: string): number | undefined
}

export interface AdmissionDeps {
  readonly resources: readonly Resource[]
  readonly rootNamespace: string
  /** Whether only an operator can write into the registry of that name. */
  readonly operatorDeclared: (registry: string) => boolean
  /** Whether a scheduler decides what the registry of that name places where. */
  readonly scheduled: (registry: string) => boolean
}

/** Reads the policies once; ask for another admission when resources change. */
export function createAdmission(deps: AdmissionDeps): Admission {
  const policies = deps.resources.filter(
    (resource): resource is JoinPolicy =>
      resource.kind === 'JoinPolicy' && resource.metadata.namespace === deps.rootNamespace,
  )
  const admitting: Admission['admitting'] = (evidence, node) =>
    policies.filter(policy => admits(policy, evidence, node))

  function granting(node: NodeRecord, identity: string): readonly JoinPolicy[] {
    if (node.evidence === undefined) return []
    return admitting(node.evidence, node.name).filter(({ spec }) => spec.identities.some(one => fits(one, identity)))
  }

  function mayPlace({ spec }: JoinPolicy, registry: string): boolean {
    if (spec.placedBy !== undefined) return spec.placedBy.includes(registry)
    return deps.operatorDeclared(registry) || deps.scheduled(registry)
  }

  return {
    admitting,
    right: (node, identity, registry) => granting(node, identity).find(policy => mayPlace(policy, registry)),
    lifeMs(node, identity) {
      if (node.evidence === undefined) return undefined
      const admitted = admitting(node.evidence, node.name)
      const granted = identity === undefined ? admitted : granting(node, identity)
      // where only operators' files say what it is, the policies that let it in say for how long
      const lives = (granted.length > 0 ? granted : admitted).map(lifeOf)
      return lives.length === 0 || lives.includes(undefined) ? undefined : Math.max(...lives.map(Number))
    },
  }
}

function admits(
  { spec }: JoinPolicy,
  { kind, grade, claims }: Pick<NodeEvidence, 'kind' | 'grade' | 'claims'>,
  node: string,
): boolean {
  if (spec.evidence !== kind || grade < spec.minGrade) return false
  const isChosen = Object.entries(spec.match).every(([name, values]) => {
    const claim = Object.hasOwn(claims, name) ? claims[name] : undefined
    return claim !== undefined && claim !== '' && values.some(value => fits(value, claim))
  })
  return isChosen && spec.nodes.some(pattern => isNamed(pattern, claims, node))
}

/** A claim stands for itself alone: a `*` in one is no pattern. */
function isNamed(pattern: string, claims: Readonly<Record<string, string>>, node: string): boolean {
  const isPrefix = pattern.endsWith('*')
  let complete = true
  const text = (isPrefix ? pattern.slice(0, -1) : pattern).replace(/\{(\w+)\}/g, (_, name: string) => {
    const claim = Object.hasOwn(claims, name) ? (claims[name] ?? '') : ''
    if (claim === '') complete = false
    return claim
  })
  return complete && (isPrefix ? node.startsWith(text) : node === text)
}

function fits(pattern: string, text: string): boolean {
  return pattern.endsWith('*') ? text.startsWith(pattern.slice(0, -1)) : text === pattern
}

function lifeOf({ spec }: JoinPolicy): number | undefined {
  return spec.ttl === undefined ? undefined : parseDurationMs(spec.ttl)
}
