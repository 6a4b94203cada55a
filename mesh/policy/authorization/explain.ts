import type { PolicyCall, RuleRef } from '../call.ts'
import { type Action, type Alternative, type CompiledRule, firstFailing, ruleMatches } from './rule.ts'

/** What a rule made of a call, for people. */
export interface ExplainedRule {
  readonly rule: RuleRef
  readonly action: Action
  readonly isDryRun: boolean
  readonly matches: boolean
  /** Why it does not match: of each alternative of `from` and `to`, and of `when`, the first field that does not hold. */
  readonly misses: readonly Miss[]
  /** Fields that cannot be enforced on this port: an ALLOW rule never matches with them, others do without them. */
  readonly unenforceable: readonly string[]
}

export interface Miss {
  /** Path in the policy: `rules[0].from[1].source.principals`. */
  readonly field: string
  /** One of these was wanted, or, for a `not` field, none of them. */
  readonly values: readonly string[]
  readonly isNegated: boolean
  /** What the call has; undefined for nothing. */
  readonly seen: string | undefined
}

export function explainRule(rule: CompiledRule, call: PolicyCall): ExplainedRule {
  return {
    rule: rule.ref,
    action: rule.action,
    isDryRun: rule.isDryRun,
    matches: ruleMatches(rule, call),
    misses: [...missesOf(rule.sources, call), ...missesOf(rule.operations, call), ...missesOf([rule.conditions], call)],
    unenforceable: rule.unenforceable,
  }
}

function missesOf(alternatives: readonly Alternative[], call: PolicyCall): readonly Miss[] {
  const failing = alternatives.map(alternative => firstFailing(alternative, call))
  if (failing.includes(undefined)) return []
  return failing.flatMap(test => {
    if (test === undefined) return []
    const { field, values, isNegated, attribute } = test
    return [{ field, values, isNegated, seen: attribute.seen(call) }]
  })
}
