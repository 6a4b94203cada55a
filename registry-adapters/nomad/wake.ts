import { type Clock, sleep } from '../../mesh/std/clock.ts'

/** Lets one loop wait for others, or for a time. */
export interface Wake {
  /** Ends the wait, or the next one when nobody waits. */
  wake(): void
  /** Resolves at the next `wake`, after `withinMs`, which may be infinite, or when the signal aborts. */
  wait(withinMs: number, signal: AbortSignal): Promise<void>
}

export function createWake(clock: Clock): Wake {
  let woken = false
  let end = () => {}
  return {
    wake() {
      woken = true
      end()
    },
    async wait(withinMs, signal) {
      const stop = new AbortController()
      end = () => stop.abort()
      signal.addEventListener('abort', end, { once: true })
      if (woken || signal.aborted) end()
      await (withinMs === Number.POSITIVE_INFINITY ? aborted(stop.signal) : sleep(clock, withinMs, stop.signal))
      signal.removeEventListener('abort', end)
      end = () => {}
      woken = false
    },
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
