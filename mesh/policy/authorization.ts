import type { AuthorizationPolicySpec, Policy, PolicyConfig, UnreadablePolicy } from '../model/policy.ts'
import { type AuthorizationTarget, policyApplies, unreadableOf } from './authorization/applies.ts'
import { type ExplainedRule, explainRule } from './authorization/explain.ts'
import { createGroups, type Group, type Groups } from './authorization/group.ts'
import { ruleMatches } from './authorization/rule.ts'
import { answer, noRules } from './authorization/verdicts.ts'
import type { PolicyCall, RuleRef, Verdict } from './call.ts'

export type { AuthorizationTarget } from './authorization/applies.ts'
export type { ExplainedRule } from './authorization/explain.ts'

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

/**
 * Prepares the policies of `config` that hold for the target; judging costs nothing for those that do not. With one among
 * them that cannot be read everything is denied.
 */
export function compileAuthorization(config: PolicyConfig, target: AuthorizationTarget): Authorization {
  const unreadable = unreadableOf(config, target)
  if (unreadable !== undefined) return closedBy(unreadable)
  const policies = config.authorization
    .filter(policy => policyApplies(policy, target, config.rootNamespace))
    .toSorted((one, other) => one.createdAt - other.createdAt || compare(one, other))
  if (policies.length === 0) return empty
  const inForce = createGroups(
    policies.filter(policy => !policy.dryRun),
    config,
    target.protocol,
  )
  const dryRun = createGroups(
    policies.filter(policy => policy.dryRun),
    config,
    target.protocol,
  )
  const hasDryRun = policies.some(policy => policy.dryRun)
  const hasAudit = inForce.audit.policyCount > 0
  return {
    isEmpty: false,
    hasDryRun,
    policies,
    judge(call) {
      const verdict = decide(inForce, call)
      if (!hasAudit && !hasDryRun) return verdict
      const audited = hasAudit ? auditedBy(inForce.audit, call) : noRules
      const wouldBe = hasDryRun ? decideWith(inForce, dryRun, verdict, call) : undefined
      return audited === noRules && wouldBe === undefined ? verdict : { ...verdict, audited, dryRun: wouldBe }
    },
    explain: call =>
      (['deny', 'allow', 'audit'] as const)
        .flatMap(action => [inForce[action], dryRun[action]])
        .flatMap(({ index }) => index.all())
        .map(rule => explainRule(rule, call)),
  }
}

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

function closedBy({ title }: UnreadablePolicy): Authorization {
  const verdict: Verdict = Object.freeze({ ...answer(false, 'unreadable', undefined), unreadable: title })
  return { ...empty, isEmpty: false, judge: () => verdict }
}

function decide({ deny, allow }: Groups, call: PolicyCall): Verdict {
  const denied = deny.index.first(call)
  if (denied !== undefined) return denied.verdict
  if (allow.policyCount === 0) return deny.policyCount === 0 ? nothing : notDenied
  return allow.index.first(call)?.verdict ?? notAllowed
}

/** What the answer would be with the dry-run policies in force; undefined when it is the same. */
function decideWith({ allow }: Groups, dryRun: Groups, verdict: Verdict, call: PolicyCall): Verdict['dryRun'] {
  if (verdict.reason === 'denied') return undefined
  const denied = dryRun.deny.index.first(call)
  if (denied !== undefined) return verdict.allowed ? { allowed: false, by: denied.ref } : undefined
  if (dryRun.allow.policyCount === 0 || (verdict.allowed && allow.policyCount > 0)) return undefined
  const allowed = dryRun.allow.index.first(call)
  if ((allowed !== undefined) === verdict.allowed) return undefined
  return { allowed: allowed !== undefined, by: allowed?.ref }
}

function auditedBy({ index }: Group, call: PolicyCall): readonly RuleRef[] {
  const audited = index.all().flatMap(rule => (ruleMatches(rule, call) ? [rule.ref] : []))
  return audited.length === 0 ? noRules : audited
}

function compare(one: Policy<unknown>, other: Policy<unknown>): number {
  return compareText(one.name, other.name) || compareText(one.namespace, other.namespace)
}

function compareText(one: string, other: string): number {
  if (one === other) return 0
  return one < other ? -1 : 1
}
