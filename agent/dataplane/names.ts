import type { Clock, Timer } from '../../mesh/std/clock.ts'
import type { NameAnswer } from './messages.ts'
import type { Cancellable } from './transport/connection-pool.ts'

/** What is known of a name: addresses that may be called, at least one, or why there are none. */
export type NameFound =
  | { readonly kind: 'found'; readonly addresses: readonly string[] }
  | { readonly kind: 'failed'; readonly detail: string }

type Done = (found: NameFound) => void

interface Waiter {
  readonly done: Done
  readonly timer: Timer
}

interface Known {
  readonly found: NameFound
  /** Monotonic milliseconds. */
  readonly until: number
}

/** Callers choose the names: no more are remembered, or looked up at once. */
const maxKnown = 1024
const maxAsked = 256
const failedMs = 5_000
const minFoundMs = 1_000
const maxFoundMs = 3_600_000

/**
 * Names that calls are for, as one data thread knows them. It looks nothing up itself: `ask` passes a name on, and what
 * became of it comes by {@link Names.learn}. Whoever asks for the same name meanwhile waits for the same answer.
 */
export class Names {
  readonly #clock: Clock
  readonly #ask: (name: string) => void
  /** The longest known first. */
  readonly #known = new Map<string, Known>()
  readonly #asked = new Map<string, Set<Waiter>>()

  constructor(clock: Clock, ask: (name: string) => void) {
    this.#clock = clock
    this.#ask = ask
  }

  /** `done` is called once, at once where the answer is known, and not after `cancel`. */
  find(name: string, timeoutMs: number, done: Done): Cancellable {
    const known = this.#known.get(name)
    if (known !== undefined && known.until > this.#clock.monotonic()) {
      done(known.found)
      return nothing
    }
    let waiters = this.#asked.get(name)
    if (waiters === undefined && this.#asked.size >= maxAsked) {
      done({ kind: 'failed', detail: 'too many names are being looked up' })
      return nothing
    }
    const isFirst = waiters === undefined
    waiters ??= new Set()
    this.#asked.set(name, waiters)
    const waiter = this.#wait(waiters, name, timeoutMs, done)
    if (isFirst) this.#ask(name)
    return waiter
  }

  learn({ name, addresses, ttlMs, reason }: NameAnswer): void {
    const isFound = addresses.length > 0
    const found: NameFound = isFound
      ? { kind: 'found', addresses }
      : { kind: 'failed', detail: `${name} is not found: ${reason}` }
    const keepMs = isFound ? Math.min(Math.max(ttlMs, minFoundMs), maxFoundMs) : failedMs
    this.#known.delete(name)
    const [oldest] = this.#known.keys()
    if (this.#known.size >= maxKnown && oldest !== undefined) this.#known.delete(oldest)
    this.#known.set(name, { found, until: this.#clock.monotonic() + keepMs })
    const waiters = this.#asked.get(name)
    this.#asked.delete(name)
    for (const { timer, done } of waiters ?? []) {
      timer.cancel()
      done(found)
    }
  }

  #wait(waiters: Set<Waiter>, name: string, timeoutMs: number, done: Done): Cancellable {
    const timer = this.#clock.timer(timeoutMs, () => {
      waiters.delete(waiter)
      done({ kind: 'failed', detail: `${name} is not found: no answer in ${timeoutMs / 1000} s` })
    })
    const waiter = { done, timer }
    waiters.add(waiter)
    return {
      cancel() {
        timer.cancel()
        waiters.delete(waiter)
      },
    }
  }
}

const nothing: Cancellable = { cancel() {} }
