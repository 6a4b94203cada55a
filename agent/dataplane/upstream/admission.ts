import type { Clock, Timer } from '../../../mesh/std/clock.ts'
import type { CircuitBreaker, Limited } from './circuit-breaker.ts'

/** How long a request may go on waiting after another thread has made room: of that nobody is told. */
const lookMs = 5

/** A request that wants to pass. */
export interface Entrant {
  /** Its turn has come; not called for one that passed at once or left before. */
  admitted(): void
}

/**
 * Lets requests pass within a cluster's limits, as connections of HTTP/1.1 would: so many at once, so many waiting, the
 * others refused. Streams of a session stand for connections, so the limits mean the same over every wire; without a
 * `maxConnections` nothing ever waits.
 */
export class Admission {
  readonly #limits: CircuitBreaker
  readonly #clock: Clock
  readonly #waiting: Entrant[] = []
  #looking: Timer | undefined

  constructor(limits: CircuitBreaker, clock: Clock) {
    this.#limits = limits
    this.#clock = clock
  }

  /** Lets the request in or puts it in line; names the limit that refuses it. */
  enter(entrant: Entrant, countsConnections: boolean): 'passed' | 'waits' | Limited {
    const limits = this.#limits
    if (!limits.acquire('requests')) return 'requests'
    if (!countsConnections || limits.acquire('connections')) return 'passed'
    if (!limits.acquire('pending')) {
      limits.release('requests')
      return 'pending'
    }
    this.#waiting.push(entrant)
    this.#lookAgain()
    return 'waits'
  }

  /** The request is over, or gave up waiting: the next one in line passes. */
  leave(entrant: Entrant, countsConnections: boolean): void {
    const limits = this.#limits
    limits.release('requests')
    if (!countsConnections) return
    const at = this.#waiting.indexOf(entrant)
    if (at >= 0) {
      this.#waiting.splice(at, 1)
      if (this.#waiting.length === 0) this.#stopLooking()
      return limits.release('pending')
    }
    limits.release('connections')
    this.#admitNext()
  }

  #admitNext(): boolean {
    const next = this.#waiting[0]
    // Asked first: looking in vain is no refusal.
    if (next === undefined || !this.#limits.hasRoom('connections')) return false
    if (!this.#limits.acquire('connections')) return false
    this.#waiting.shift()
    if (this.#waiting.length === 0) this.#stopLooking()
    this.#limits.release('pending')
    next.admitted()
    return true
  }

  #lookAgain(): void {
    if (!this.#limits.isShared || this.#looking !== undefined) return
    this.#looking = this.#clock.timer(lookMs, () => {
      this.#looking = undefined
      while (this.#admitNext());
      if (this.#waiting.length > 0) this.#lookAgain()
    })
  }

  #stopLooking(): void {
    this.#looking?.cancel()
    this.#looking = undefined
  }
}
