import type { RetryPolicy } from '../../../mesh/routing/route.ts'
import type { Random } from '../../../mesh/std/clock.ts'
import type { CircuitBreaker } from '../upstream/circuit-breaker.ts'
import type { Upstream } from '../upstream/clusters.ts'
import { type AttemptFailure, asksForRetry, retryPauseMs } from './retry.ts'

/** The retries of one request: how many there were, and what they hold of the cluster's budget. */
export class Retries {
  readonly #policy: RetryPolicy
  readonly #limits: CircuitBreaker
  #holdsOne = false
  count = 0
  /** Endpoints that were tried, where others shall be. */
  tried: Set<Upstream> | undefined = undefined
  /** Endpoints that were tried, where other priorities than theirs shall be. */
  leaving: Set<Upstream> | undefined = undefined
  /** Another try was asked for, and there were as many as there may be. */
  exhausted = false

  constructor(policy: RetryPolicy, limits: CircuitBreaker) {
    this.#policy = policy
    this.#limits = limits
  }

  /** Milliseconds to pause before another try; undefined when there is none, and then nothing has changed. */
  next(failure: AttemptFailure, from: Upstream | undefined, random: Random): number | undefined {
    const policy = this.#policy
    if (!asksForRetry(policy, failure)) return undefined
    if (this.count >= policy.attempts) {
      this.exhausted = policy.attempts > 0
      return undefined
    }
    this.release()
    if (!this.#isFree(failure)) {
      if (!this.#limits.acquire('retries')) return undefined
      this.#holdsOne = true
    }
    this.count += 1
    if (policy.avoidPreviousHosts && from !== undefined) {
      this.tried ??= new Set()
      this.tried.add(from)
    }
    if (policy.avoidPreviousPriorities === true && from !== undefined) {
      this.leaving ??= new Set()
      this.leaving.add(from)
    }
    return retryPauseMs(policy, this.count, random)
  }

  /**
   * A budget keeps retries from burying endpoints that struggle. What no endpoint has had yet burdens none, and when a
   * host goes, all that was on its way there fails at once: without a number set for it, that is tried elsewhere.
   */
  #isFree({ kind }: AttemptFailure): boolean {
    if (this.#limits.hasFixedRetries) return false
    return kind !== 'reset' && kind !== 'per-try-timeout' && kind !== 'status'
  }

  /** The last retry is over. */
  release(): void {
    if (!this.#holdsOne) return
    this.#holdsOne = false
    this.#limits.release('retries')
  }
}
