import type { Clock } from '../../mesh/std/clock.ts'
import type { ReadQueue } from './read-queue.ts'

/** Decides when the services that nothing hints at have their turn. */
export interface Sweep {
  /** Urgent names, or names of the sweep when there are none and it may go on. */
  take(queue: ReadQueue): readonly string[]
  /** Call after each batch: notices the end of a sweep. */
  batchDone(queue: ReadQueue): void
  /** When the next sweep may begin, on the monotonic clock. */
  readonly opensAt: number
}

/** Names that are read before urgent ones get their turn again. */
const batchSize = 64
/** A sweep may take at most this share of the time. */
const share = 1 / 5

/** Sweeps follow each other after `restMs` at least, and longer when a sweep takes long. */
export function createSweep(restMs: number, clock: Clock): Sweep {
  let startedAt: number | undefined
  let opensAt = 0
  return {
    take(queue) {
      const now = clock.monotonic()
      const sweeping = queue.urgentCount === 0 && queue.laterCount > 0 && now >= opensAt
      if (sweeping) startedAt ??= now
      return queue.take(batchSize, sweeping)
    },
    batchDone(queue) {
      if (startedAt === undefined || queue.laterCount > 0) return
      const now = clock.monotonic()
      opensAt = now + Math.max(restMs, (now - startedAt) * (1 / share - 1))
      startedAt = undefined
    },
    get opensAt() {
      return opensAt
    },
  }
}
