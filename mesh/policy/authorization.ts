import type { AuthorizationPolicySpec, Policy, PolicyConfig } from '../model/policy.ts'
import { type AuthorizationTarget, policyApplies } from './authorization/applies.ts'
import { type ExplainedRule, explainRule } from './authorization/explain.ts'
import { createPrincipalText } from './authorization/principals.ts'
import { type Action, type CompiledRule, compileRule, type RuleContext, ruleMatches } from './authorization/rule.ts'
import { createRuleIndex, type IndexedRule, namedCallers, type RuleIndex } from './authorization/rule-index.ts'
import type { PolicyCall, RuleRef, Verdict } from './call.ts'

export type { AuthorizationTarget } from './authorization/applies.ts'
export type { ExplainedRule, Miss } from './authorization/explain.ts'

/** All AuthorizationPolicies that hold for one port of a workload, prepared. */
export interface Authorization {
  /** No policy holds, not even a dry-run or an AUDIT one. */
  readonly isEmpty: boolean
  readonly hasDryRun: boolean
  /** The policies that hold, in the order in which they are asked. */
  readonly policies: readonly Policy<AuthorizationPolicySpec>[]
  /**
   * Any DENY rule that matches denies; else, once there is an ALLOW policy, one of its rules must match. AUDIT decides
   * nothing, and dry-run policies neither.
   */
  judge(call: PolicyCall): Verdict
  /** What each rule made of the call: DENY, then ALLOW, then AUDIT. */
  explain(call: PolicyCall): readonly ExplainedRule[]
}

/** Prepares the policies of `config` that hold for the target; judging costs nothing for those that do not. */
export function compileAuthorization(config: PolicyConfig, target: AuthorizationTarget): Authorization {
  const { rootNamespace } = config
  const policies = config.authorization
    .filter(policy => policyApplies(policy, target, rootNamespace))
    .toSorted((one, other) => one.createdAt - other.createdAt || compare(one, other))
  if (policies.length === 0) return empty
  const principalText = createPrincipalText()
  const context = { protocol: target.protocol, trust: config, principalText }
  const groups: Groups = {
    deny: group(policies, 'DENY', false, context),
    allow: group(policies, 'ALLOW', false, context),
    audit: group(policies, 'AUDIT', false, context).rules,
    dryDeny: group(policies, 'DENY', true, context),
    dryAllow: group(policies, 'ALLOW', true, context),
  }
  const dryAudit = group(policies, 'AUDIT', true, context)
  const hasDryRun = policies.some(policy => policy.dryRun)
  const decide = decider(groups)
  const rules: readonly CompiledRule[] = [
    ...[groups.deny, groups.dryDeny, groups.allow, groups.dryAllow].flatMap(({ rules }) => rules),
    ...groups.audit,
    ...dryAudit.rules,
  ]
  return {
    isEmpty: false,
    hasDryRun,
    policies,
    judge(call) {
      const verdict = decide(call)
      if (groups.audit.length === 0 && !hasDryRun) return verdict
      const audited = auditedBy(groups.audit, call)
      const dryRun = hasDryRun ? wouldBe(groups, verdict, call) : undefined
      return audited === none && dryRun === undefined ? verdict : { ...verdict, audited, dryRun }
    },
    explain: call => rules.map(rule => explainRule(rule, call)),
  }
}

/** The rules of one action, with their answers. */
interface Group {
  readonly policyCount: number
  readonly rules: readonly DecidingRule[]
  readonly index: RuleIndex<DecidingRule>
}

interface Groups {
  readonly deny: Group
  readonly allow: Group
  readonly audit: readonly CompiledRule[]
  readonly dryDeny: Group
  readonly dryAllow: Group
}

interface DecidingRule extends CompiledRule {
  readonly verdict: Verdict
}

const none: readonly RuleRef[] = Object.freeze([])
const nothing = answer(true, 'no-policy', undefined)
const notDenied = answer(true, 'allowed', undefined)
const notAllowed = answer(false, 'no-allow-matched', undefined)
const empty: Authorization = Object.freeze({
  isEmpty: true,
  hasDryRun: false,
  policies: [],
  judge: () => nothing,
  explain: () => [],
})

function answer(allowed: boolean, reason: Verdict['reason'], by: RuleRef | undefined): Verdict {
  return Object.freeze({ allowed, reason, by, audited: none, dryRun: undefined })
}

function group(
  policies: readonly Policy<AuthorizationPolicySpec>[],
  action: Action,
  dryRun: boolean,
  context: Omit<RuleContext, 'namespace'>,
): Group {
  const own = policies.filter(policy => (policy.spec.action ?? 'ALLOW') === action && policy.dryRun === dryRun)
  const isAllow = action === 'ALLOW'
  const indexed = own.flatMap(policy => {
    const { namespace } = policy
    return (policy.spec.rules ?? []).map((written, index): IndexedRule<DecidingRule> => {
      const compiled = compileRule(policy, written, index, { ...context, namespace })
      const verdict = answer(isAllow, isAllow ? 'allowed' : 'denied', compiled.ref)
      return { rule: { ...compiled, verdict }, callers: namedCallers(written, namespace) }
    })
  })
  return { policyCount: own.length, rules: indexed.map(({ rule }) => rule), index: createRuleIndex(indexed) }
}

function decider({ deny, allow }: Groups): (call: PolicyCall) => Verdict {
  const otherwise = deny.policyCount === 0 ? nothing : notDenied
  return call => {
    const denied = deny.index.first(call)
    if (denied !== undefined) return denied.verdict
    if (allow.policyCount === 0) return otherwise
    return allow.index.first(call)?.verdict ?? notAllowed
  }
}

function auditedBy(rules: readonly CompiledRule[], call: PolicyCall): readonly RuleRef[] {
  let audited: RuleRef[] | undefined
  for (const rule of rules) {
    if (!ruleMatches(rule, call)) continue
    if (audited === undefined) audited = []
    audited.push(rule.ref)
  }
  return audited ?? none
}

/** What the answer would be with the dry-run policies in force; undefined when it is the same. */
function wouldBe({ allow, dryDeny, dryAllow }: Groups, verdict: Verdict, call: PolicyCall): Verdict['dryRun'] {
  if (verdict.reason === 'denied') return undefined
  const denied = dryDeny.index.first(call)
  if (denied !== undefined) return verdict.allowed ? { allowed: false, by: denied.ref } : undefined
  if (dryAllow.policyCount === 0 || (verdict.allowed && allow.policyCount > 0)) return undefined
  const allowed = dryAllow.index.first(call)
  if ((allowed !== undefined) === verdict.allowed) return undefined
  return { allowed: allowed !== undefined, by: allowed?.ref }
}

function compare(one: Policy<unknown>, other: Policy<unknown>): number {
  const [a, b] = [`${one.name} ${one.namespace}`, `${other.name} ${other.namespace}`]
  if (a === b) return 0
  return a < b ? -1 : 1
}
