import type { Clock, Timer } from '../../mesh/std/clock.ts'

/** Makes reads that are waiting end early, so that everything is read anew. */
export interface Restarts {
  /** Ends every turn that is under way. */
  restart(): void
  /** The same, but not before the interval since the last time is over. */
  restartSoon(): void
  /** One read; its signal aborts on a restart or with the given signal. Call `end` when the read is over. */
  turn(signal: AbortSignal): { readonly signal: AbortSignal; end(): void }
  /** Forgets a restart that was put off. */
  stop(): void
}

/**
 * Holds nothing but the turns under way; `ended` is called with each restart. A Consul goes on holding the queries that
 * are hung up on until their wait is over, and counts their connections: so restarts with one server are to be
 * `intervalMs` apart.
 */
export function createRestarts(intervalMs: number, clock: Clock, ended: () => void = () => {}): Restarts {
  const turns = new Set<AbortController>()
  let nextAt = 0
  let later: Timer | undefined

  function restart(): void {
    later?.cancel()
    later = undefined
    nextAt = clock.monotonic() + intervalMs
    for (const turn of [...turns]) turn.abort()
    ended()
  }

  return {
    restart,
    restartSoon() {
      const inMs = nextAt - clock.monotonic()
      if (inMs <= 0) restart()
      else later ??= clock.timer(inMs, restart)
    },
    turn(signal) {
      const controller = new AbortController()
      const abort = () => controller.abort()
      if (signal.aborted) abort()
      signal.addEventListener('abort', abort, { once: true })
      turns.add(controller)
      return {
        signal: controller.signal,
        end() {
          turns.delete(controller)
          signal.removeEventListener('abort', abort)
        },
      }
    },
    stop() {
      later?.cancel()
      later = undefined
    },
  }
}
