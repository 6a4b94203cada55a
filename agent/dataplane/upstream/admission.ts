import type { CircuitBreaker, Limited } from './circuit-breaker.ts'

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
  readonly #waiting: Entrant[] = []

  constructor(limits: CircuitBreaker) {
    this.#limits = limits
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
      return limits.release('pending')
    }
    limits.release('connections')
    this.#admitNext()
  }

  #admitNext(): void {
    const next = this.#waiting[0]
    if (next === undefined || !this.#limits.acquire('connections')) return
    this.#waiting.shift()
    this.#limits.release('pending')
    next.admitted()
  }
}
