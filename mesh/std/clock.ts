/**
 * Time, handed in. Nothing outside this folder calls `Date.now`, `setTimeout` or `Math.random`, so a test can run a
 * day of certificate renewals in a millisecond.
 */

/** A pending timer. Cancelling twice, or after it fired, is harmless. */
export interface Timer {
  cancel(): void
}

export interface Clock {
  /** Wall-clock time in milliseconds since 1970: for validity periods and anything shown to people. */
  now(): number
  /** Milliseconds that never go backwards: for durations and deadlines. */
  monotonic(): number
  /** Calls `run` once after `delayMs`, clamped to {@link maxTimerMs}. The timer does not keep the process alive. */
  timer(delayMs: number, run: () => void): Timer
}

/** A number in [0, 1): jitter and random choice. */
export type Random = () => number

/** The longest delay a timer may have: beyond 2^31-1 ms Node fires after one millisecond. */
export const maxTimerMs = 2 ** 31 - 1

/** Clamps a delay into what a timer can hold; callers that wait longer look again when it fires. */
export function clampTimerMs(delayMs: number): number {
  if (Number.isNaN(delayMs) || delayMs < 0) return 0
  return Math.min(delayMs, maxTimerMs)
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  timer(delayMs, run) {
    const handle = setTimeout(run, clampTimerMs(delayMs))
    handle.unref()
    return { cancel: () => clearTimeout(handle) }
  },
}

/** The same for a command that has nothing else to wait for: here a pending timer does keep the process alive. */
export const foregroundClock: Clock = {
  ...systemClock,
  timer(delayMs, run) {
    const handle = setTimeout(run, clampTimerMs(delayMs))
    return { cancel: () => clearTimeout(handle) }
  },
}

/** The machine's own randomness, for jitter; never for secrets. */
export const systemRandom: Random = () => Math.random()

/**
 * Waits `delayMs` on the given clock. Resolves early, without an error, when the signal aborts: callers check
 * `signal.aborted` in their loop condition.
 */
export function sleep(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) return resolve()
    const done = () => {
      timer.cancel()
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = clock.timer(delayMs, done)
    signal.addEventListener('abort', done, { once: true })
  })
}
