import type { Policy, PolicyConfig, RequestAuthenticationSpec } from '../model/policy.ts'
import { policyApplies } from './authorization/applies.ts'
import { type FoundToken, findTokens } from './request-authentication/locations.ts'
import { createTokenRule, type TokenRule } from './request-authentication/rule.ts'
import { createRuleSet } from './request-authentication/rule-set.ts'
import type { TokenDecision, TokenOutcome, TokenRequest } from './request-authentication/token-outcome.ts'

/** The workload whose tokens are asked about; services as `<namespace>/<name>`. */
export interface TokenTarget {
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
  readonly services: readonly string[]
}

/** All RequestAuthentications of one workload (request_authentication.proto), prepared. */
export interface RequestAuthentication {
  /** Tokens at the locations that rules in force name, in the rules' order. */
  find(headers: readonly string[], path: string): readonly FoundToken[]
  /**
   * Judges the tokens of a request at a time (milliseconds since 1970). A promise only for a token whose signature has
   * to be checked, the first time; never throws or rejects.
   */
  authenticate(request: TokenRequest, now: number): TokenOutcome | Promise<TokenOutcome>
}

/**
 * Prepares the policies that hold for a workload: of the root namespace and of its own, selected by labels or by a service
 * that it is of. Undefined when there are none. Rules count in the order of their issuers, as Istio has it; dry-run
 * policies are judged apart.
 */
export function compileRequestAuthentication(
  config: PolicyConfig,
  target: TokenTarget,
): RequestAuthentication | undefined {
  const policies = config.requestAuthentication.filter(policy => policyApplies(policy, target, config.rootNamespace))
  const all = policies.toSorted(byScopeAndAge(config.rootNamespace)).flatMap(rulesOf)
  if (all.length === 0) return undefined
  const ordered = all.toSorted((a, b) => compare(a.rule.issuer, b.rule.issuer))
  const inForce = ordered.filter(({ dryRun }) => !dryRun).map(({ rule }) => rule)
  const decided = createRuleSet(inForce)
  const tried = inForce.length === ordered.length ? undefined : createRuleSet(ordered.map(({ rule }) => rule))
  return {
    find: (headers, path) => inForce.flatMap(rule => findTokens(rule.locations, headers, path)),
    authenticate(request, now) {
      const decision = decided.decide(request, now)
      if (tried === undefined) return decision
      if (decision instanceof Promise) return decision.then(settled => withDryRun(settled, tried.decide(request, now)))
      return withDryRun(decision, tried.decide(request, now))
    },
  }
}

function withDryRun(
  decision: TokenDecision,
  dryRun: TokenDecision | Promise<TokenDecision>,
): TokenOutcome | Promise<TokenOutcome> {
  if (dryRun instanceof Promise) return dryRun.then(settled => withDryRun(decision, settled))
  return isSame(decision, dryRun) ? decision : { ...decision, dryRun }
}

/** Whether a caller would notice a difference: which of several rules took a token is none. */
function isSame(a: TokenDecision, b: TokenDecision): boolean {
  if (a.kind === 'refused' && b.kind === 'refused') return a.status === b.status
  return a.kind === b.kind
}

function rulesOf({
  spec,
  dryRun,
  ...metadata
}: Policy<RequestAuthenticationSpec>): { rule: TokenRule; dryRun: boolean }[] {
  return (spec.jwtRules ?? []).map((rule, index) => ({ rule: createTokenRule(metadata, rule, index), dryRun }))
}

function byScopeAndAge(rootNamespace: string): (a: Ordered, b: Ordered) => number {
  const scope = ({ namespace }: Ordered) => (namespace === rootNamespace ? 0 : 1)
  return (a, b) => scope(a) - scope(b) || a.createdAt - b.createdAt || compare(a.name, b.name)
}

type Ordered = Pick<Policy<RequestAuthenticationSpec>, 'namespace' | 'name' | 'createdAt'>

function compare(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
