import { type Clock, sleep } from '../../mesh/std/clock.ts'

/** Lets a loop run in bursts but not faster than its pace over time. */
export interface TokenBucket {
  /** Resolves when the caller may go on, at once while tokens are left; early when the signal aborts. */
  take(signal: AbortSignal): Promise<void>
}

/** A full bucket of `burst` tokens that gains one every `refillMs`; for one caller at a time. */
export function createTokenBucket(burst: number, refillMs: number, clock: Clock): TokenBucket {
  let tokens = burst
  let countedAt = clock.monotonic()
  return {
    async take(signal) {
      const now = clock.monotonic()
      tokens = Math.min(burst, tokens + (now - countedAt) / refillMs)
      countedAt = now
      tokens -= 1
      if (tokens < 0) await sleep(clock, -tokens * refillMs, signal)
    },
  }
}
