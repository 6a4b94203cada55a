import type { RuleRef, Verdict } from '../../../mesh/policy/call.ts'

const texts = new WeakMap<RuleRef, string>()

/** `default/api rule 0`, as logs name a rule; empty for none. Rules are the same objects for as long as they hold. */
export function ruleText(rule: RuleRef | undefined): string {
  if (rule === undefined) return ''
  let text = texts.get(rule)
  if (text === undefined) {
    text = `${rule.policy} rule ${rule.rule}`
    texts.set(rule, text)
  }
  return text
}

/** Why a call is refused, for people who may read policies. */
export function denialText({ by, unreadable }: Pick<Verdict, 'by' | 'unreadable'>): string {
  if (unreadable !== undefined) return `nothing is allowed: this agent cannot read ${unreadable}`
  return by === undefined ? 'no rule of the ALLOW policies matches' : `denied by ${ruleText(by)}`
}

/** Envoy's RESPONSE_CODE_DETAILS of a request that its RBAC filter refuses, with the names that Istio gives rules. */
export function denialDetails({ by }: Pick<Verdict, 'by'>): string {
  return `rbac_access_denied_matched_policy[${by === undefined ? 'none' : envoyName(by)}]`
}

function envoyName({ policy, rule }: RuleRef): string {
  const slash = policy.indexOf('/')
  return `ns[${policy.slice(0, slash)}]-policy[${policy.slice(slash + 1)}]-rule[${rule}]`
}

/** The AUDIT rules that match, as one text. */
export function auditText(audited: readonly RuleRef[]): string {
  return audited.length === 0 ? '' : audited.map(ruleText).join(', ')
}

/** What dry-run policies would have done. */
export function dryRunText({ allowed, by }: NonNullable<Verdict['dryRun']>): string {
  if (allowed) return `would be allowed by ${ruleText(by)}`
  return by === undefined
    ? 'would be denied: no rule of the ALLOW policies matches'
    : `would be denied by ${ruleText(by)}`
}
