import type { Probe } from '../../mesh/model/probe.ts'
import type { CheckResult } from './check.ts'

/** What the results of one probe so far amount to. */
export interface Verdict {
  /** Undefined until it is decided for the first time. */
  readonly healthy: boolean | undefined
  /** How many results in a row were like the last one. */
  readonly streak: number
  readonly last: CheckResult | undefined
  /** Why it failed the last time; empty when it never did. */
  readonly reason: string
}

/** Before the first result. */
export const undecided: Verdict = { healthy: undefined, streak: 0, last: undefined, reason: '' }

/**
 * One more result. A workload that nothing is known of is healthy at its first success and unhealthy after
 * `failureThreshold` failures; after that it takes as many in a row as its thresholds say to change.
 */
export function judge(before: Verdict, result: CheckResult, probe: Probe): Verdict {
  const streak = before.last?.healthy === result.healthy ? before.streak + 1 : 1
  const successes = before.healthy === undefined ? 1 : probe.successThreshold
  const needed = result.healthy ? successes : probe.failureThreshold
  return {
    healthy: streak >= needed ? result.healthy : before.healthy,
    streak,
    last: result,
    reason: result.healthy ? before.reason : result.reason,
  }
}
