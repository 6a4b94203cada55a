import type { Clock, Timer } from '../../mesh/std/clock.ts'

export interface DebounceOptions {
  /** A burst is over when nothing has happened for this long. */
  readonly quietMs: number
  /** Under steady change, how long the first event that is not yet served may wait. */
  readonly capMs: number
}

export interface Debounce {
  /** Something happened. */
  poke(): void
  stop(): void
}

/**
 * Runs at once for the first event after a quiet time, then once at the end of each burst, and during a burst without
 * end every `capMs`. A single change is never kept waiting, and a thousand of them cost a handful of runs.
 */
export function createDebounce(clock: Clock, options: DebounceOptions, run: () => void): Debounce {
  let timer: Timer | undefined
  let lastEvent = Number.NEGATIVE_INFINITY
  let waitingSince: number | undefined

  const fire = (): void => {
    timer?.cancel()
    timer = undefined
    waitingSince = undefined
    run()
  }
  return {
    poke() {
      const now = clock.monotonic()
      const quiet = now - lastEvent >= options.quietMs
      lastEvent = now
      if (quiet && waitingSince === undefined) return fire()
      waitingSince ??= now
      timer?.cancel()
      timer = clock.timer(Math.min(options.quietMs, Math.max(0, waitingSince + options.capMs - now)), fire)
    },
    stop() {
      timer?.cancel()
      timer = undefined
    },
  }
}
