import type { RuleRef, Verdict } from '../call.ts'

export const noRules: readonly RuleRef[] = Object.freeze([])

/** An answer that is prepared, so that nothing is made when it is given. */
export function answer(allowed: boolean, reason: Verdict['reason'], by: RuleRef | undefined): Verdict {
  return Object.freeze({ allowed, reason, by, audited: noRules, dryRun: undefined })
}
