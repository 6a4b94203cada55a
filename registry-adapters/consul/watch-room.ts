import { createBackoff } from '../../mesh/std/backoff.ts'
import type { Clock, Random, Timer } from '../../mesh/std/clock.ts'
import type { Log } from '../../mesh/std/log.ts'
import type { ConsulPace } from './options.ts'
import { isRefusal } from './request.ts'

/** How many queries on services Consul may be asked to hold. It learns from what Consul refuses. */
export interface WatchRoom {
  /** True when one more may be opened beside so many. */
  fits(open: number): boolean
  /** True after a failure, for a while. */
  readonly paused: boolean
  readonly size: number
  /** A query has failed that had been open for so long. */
  failed(error: unknown, ageMs: number, open: number): void
  /** Something else has failed: if that is for want of connections, the room becomes smaller. */
  yield(error: unknown, open: number): void
  /** The room is as large as configured again, if it became smaller long ago. */
  restore(): void
  /** Ends a pause. */
  resume(): void
}

export interface WatchRoomDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly pace: ConsulPace
  /** A pause is over. */
  resumed(): void
  /** Fewer queries than before may be open. */
  shrunk(): void
}

/** A query that fails sooner was refused, for want of connections; one that was open for longer has another reason. */
const refusedMs = 1_000

/** Room for so many. */
export function createWatchRoom(most: number, deps: WatchRoomDeps): WatchRoom {
  const { clock, random, log, pace } = deps
  const backoff = createBackoff({ baseMs: pace.backoffBaseMs, capMs: pace.backoffCapMs }, random)
  let size = most
  let shrunkAt = Number.NEGATIVE_INFINITY
  let pause: Timer | undefined

  function resume(): void {
    if (pause === undefined) return
    pause.cancel()
    pause = undefined
    deps.resumed()
  }

  /** A quarter is left to others, once before each pause. */
  function yieldTo(error: unknown, open: number): void {
    if (pause !== undefined || !isRefusal(error)) return
    pause = clock.timer(backoff.nextMs(), resume)
    if (size === most) log.warn('consul takes fewer open queries than it may be asked', { open, error })
    size = Math.min(size, Math.floor((open * 3) / 4))
    shrunkAt = clock.monotonic()
    deps.shrunk()
  }

  return {
    fits: open => pause === undefined && open < size,
    get paused() {
      return pause !== undefined
    },
    get size() {
      return size
    },
    failed(error, ageMs, open) {
      if (ageMs < refusedMs) yieldTo(error, open)
      pause ??= clock.timer(backoff.nextMs(), resume)
    },
    yield: yieldTo,
    restore() {
      if (clock.monotonic() - shrunkAt < pace.resyncMs) return
      size = most
      backoff.reset()
    },
    resume,
  }
}
