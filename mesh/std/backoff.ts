import type { Random } from './clock.ts'

export interface BackoffOptions {
  /** Upper bound of the first delay. */
  readonly baseMs: number
  /** Upper bound of every delay. */
  readonly capMs: number
}

/** Delays for a retry loop; `reset` after a success. */
export interface Backoff {
  nextMs(): number
  reset(): void
}

/**
 * Exponential backoff with full jitter: each delay is drawn evenly from zero to `base * 2^attempt`, capped, so that
 * many clients that failed together do not come back together.
 */
export function createBackoff(options: BackoffOptions, random: Random): Backoff {
  let attempt = 0
  return {
    nextMs() {
      const ceiling = Math.min(options.capMs, options.baseMs * 2 ** Math.min(attempt, 30))
      attempt += 1
      return Math.round(random() * ceiling)
    },
    reset() {
      attempt = 0
    },
  }
}
