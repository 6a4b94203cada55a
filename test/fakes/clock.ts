import type { Clock } from '../../mesh/std/clock.ts'

interface Pending {
  at: number
  readonly run: () => void
}

/** A clock that stands still until told to move. */
export class FakeClock implements Clock {
  #now: number
  #start: number
  readonly #pending = new Set<Pending>()

  constructor(now = Date.UTC(2030, 0, 1)) {
    this.#now = now
    this.#start = now
  }

  now(): number {
    return this.#now
  }

  monotonic(): number {
    return this.#now - this.#start
  }

  timer(delayMs: number, run: () => void) {
    const pending = { at: this.#now + Math.max(0, delayMs), run }
    this.#pending.add(pending)
    return { cancel: () => void this.#pending.delete(pending) }
  }

  /** Sets the wall clock without time passing: a correction, or a machine that slept. Timers keep what they have left. */
  jump(ms: number): void {
    this.#now += ms
    this.#start += ms
    for (const pending of this.#pending) pending.at += ms
  }

  /** Timers that have not fired yet. */
  get pending(): number {
    return this.#pending.size
  }

  /** Moves time forward, firing timers in order; promises that they resolve run in between. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms
    for (;;) {
      await settle()
      const next = [...this.#pending].filter(timer => timer.at <= until).sort((a, b) => a.at - b.at)[0]
      if (next === undefined) break
      this.#now = next.at
      this.#pending.delete(next)
      next.run()
    }
    this.#now = until
    await settle()
  }
}

/** Lets everything that is ready run: promise chains, then one turn of the event loop. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise(resolve => setImmediate(resolve))
}
