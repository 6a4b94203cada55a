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
  /** Something happened of which the rest is still on its way: it waits for a quiet time even when it is alone. */
  begin(): void
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
  const wait = (now: number): void => {
    lastEvent = now
    waitingSince ??= now
    timer?.cancel()
    timer = clock.timer(Math.min(options.quietMs, Math.max(0, waitingSince + options.capMs - now)), fire)
  }
  return {
    poke() {
      const now = clock.monotonic()
      if (waitingSince !== undefined || now - lastEvent < options.quietMs) return wait(now)
      lastEvent = now
      fire()
    },
    begin: () => wait(clock.monotonic()),
    stop() {
      timer?.cancel()
      timer = undefined
    },
  }
}
