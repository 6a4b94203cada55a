import type { Clock } from '../../mesh/std/clock.ts'

/** Which of several servers, numbered as they are configured, to ask. */
export interface ServerChoice {
  /** The one in use. */
  readonly current: number
  /** The one in use first, then the others: those that have failed a moment ago last. */
  order(): readonly number[]
  /** Those before the one in use that have not failed a moment ago. */
  better(): readonly number[]
  failed(server: number): void
  /** A server has answered who was asked while `before` was in use; true when the one in use changes by that. */
  worked(server: number, before: number): boolean
}

/** The first one is in use. A server that has failed is not asked before others for `avoidMs`. */
export function createServerChoice(count: number, avoidMs: number, clock: Clock): ServerChoice {
  const failedAt = new Map<number, number>()
  let current = 0

  const avoided = (server: number) =>
    clock.monotonic() - (failedAt.get(server) ?? Number.NEGATIVE_INFINITY) < avoidMs ? 1 : 0

  return {
    get current() {
      return current
    },
    order() {
      const others = Array.from({ length: count }, (_, server) => server).filter(server => server !== current)
      return [current, ...others.sort((a, b) => avoided(a) - avoided(b) || a - b)]
    },
    better: () => Array.from({ length: current }, (_, server) => server).filter(server => avoided(server) === 0),
    failed: server => void failedAt.set(server, clock.monotonic()),
    worked(server, before) {
      failedAt.delete(server)
      // Somebody else may have moved on meanwhile.
      if (server === before || current !== before) return false
      current = server
      return true
    },
  }
}
