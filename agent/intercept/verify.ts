import type { Clock, Timer } from '../../mesh/std/clock.ts'

/** Calls `look` every `intervalMs`, counted from the end of the last call, until stopped. */
export function verifyEvery(clock: Clock, intervalMs: number, look: () => Promise<void>): { stop(): void } {
  let stopped = false
  let timer: Timer | undefined
  const next = () => {
    if (stopped) return
    timer = clock.timer(intervalMs, () => void look().finally(next))
  }
  next()
  return {
    stop() {
      stopped = true
      timer?.cancel()
    },
  }
}
