import type { Clock, Timer } from '../../../mesh/std/clock.ts'
import type { HeaderList, HttpClientConnection, HttpStream } from '../http/stream.ts'
import type { Reason } from '../reasons.ts'

/** A connection that was made, with what logs say of it, or why there is none. */
export type Dialled =
  | { readonly kind: 'connected'; readonly connection: HttpClientConnection; readonly localAddress: string }
  | { readonly kind: 'failed'; readonly reason: Reason; readonly detail: string }

/** Where requests go, and how a connection to it is made. */
export interface Origin {
  /** Two origins with the same key share connections: everything that makes a connection fit for one is in it. */
  readonly key: string
  /** HTTP/2: many exchanges at once. */
  readonly multiplexed: boolean
  /** How long an unused connection is kept, and after how many exchanges it is closed. */
  readonly idleTimeoutMs: number
  readonly maxRequestsPerConnection: number | undefined
  /** Makes a connection; `done` is called once, and not after the returned `cancel`. */
  dial(done: (result: Dialled) => void): Cancellable
}

export interface Cancellable {
  cancel(): void
}

export type OpenResult =
  | {
      readonly kind: 'open'
      readonly stream: HttpStream
      /** The connection has carried nothing before: then its loss cannot be its being kept too long. */
      readonly fresh: boolean
      /** At the other end is an agent of ours, which says itself what it could not deliver. */
      readonly isAgent: boolean
      readonly localAddress: string
    }
  | { readonly kind: 'failed'; readonly reason: Reason; readonly detail: string }

/** Which kept connections are good enough for a request; `recent`: those that had one within the last second. */
export type Reuse = 'any' | 'recent' | 'none'

interface Kept {
  readonly connection: HttpClientConnection
  readonly localAddress: string
  requests: number
  /** Monotonic milliseconds of the last request's beginning. */
  usedAt: number
  idleSince: number
}

interface Waiter {
  readonly headers: HeaderList
  readonly endStream: boolean
  readonly done: (result: OpenResult) => void
  cancelled: boolean
  /** The next connection, where the one it waited for had no room left. */
  next: Cancellable | undefined
}

interface Group {
  /** As it was asked for last: certificates and settings that are no part of the key change. */
  origin: Origin
  /** Connections that are open; of HTTP/1.1 ones those without an exchange are used last in, first out. */
  readonly open: Kept[]
  /** Those who wait for the one connection being made (HTTP/2). */
  waiting: Waiter[] | undefined
}

const sweepMs = 5_000
/** Servers close what was idle for longer than this, at any moment. */
const recentMs = 1_000
const nothing: Cancellable = { cancel() {} }

/**
 * Connections to applications and to hosts outside the mesh, kept for the next request. An HTTP/1.1 connection that is
 * not idle and clean is never used again: its own side says so by `canOpen`.
 */
export class ConnectionPool {
  readonly #groups = new Map<string, Group>()
  readonly #clock: Clock
  #sweep: Timer | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Connections that are open, in use or not. */
  get connections(): number {
    let count = 0
    for (const { open } of this.#groups.values()) count += open.length
    return count
  }

  /**
   * Sends a request's head on a kept connection (at once), or on a new one; `done` is called once, and not after
   * `cancel`.
   */
  open(
    origin: Origin,
    headers: HeaderList,
    endStream: boolean,
    reuse: Reuse,
    done: (result: OpenResult) => void,
  ): Cancellable {
    const group = this.#groupOf(origin)
    if (reuse !== 'none') {
      if (reuse === 'recent' && !origin.multiplexed) this.#closeStale(group)
      for (let at = group.open.length - 1; at >= 0; at -= 1) {
        const kept = group.open[at]
        if (kept?.connection.canOpen() && this.#send(group, kept, headers, endStream, done)) return nothing
      }
    }
    return origin.multiplexed
      ? this.#share(group, { headers, endStream, done, cancelled: false, next: undefined })
      : this.#dialFor(group, headers, endStream, done)
  }

  /** Closes every connection; nothing is opened afterwards but by new calls. */
  destroy(reason: string): void {
    this.#sweep?.cancel()
    this.#sweep = undefined
    for (const { open } of this.#groups.values()) for (const { connection } of [...open]) connection.destroy(reason)
    this.#groups.clear()
  }

  #dialFor(group: Group, headers: HeaderList, endStream: boolean, done: (result: OpenResult) => void): Cancellable {
    return group.origin.dial(result => {
      if (result.kind === 'failed') {
        this.#forgetEmpty(group)
        return done(result)
      }
      const kept = this.#keep(group, result)
      if (!this.#send(group, kept, headers, endStream, done)) done(unusable)
    })
  }

  #share(group: Group, waiter: Waiter): Cancellable {
    const cancellable = {
      cancel() {
        waiter.cancelled = true
        waiter.next?.cancel()
      },
    }
    if (group.waiting !== undefined) {
      group.waiting.push(waiter)
      return cancellable
    }
    group.waiting = [waiter]
    group.origin.dial(result => {
      const waiting = group.waiting ?? []
      group.waiting = undefined
      if (result.kind === 'connected') return this.#serve(group, this.#keep(group, result), waiting)
      this.#forgetEmpty(group)
      for (const { cancelled, done } of waiting) if (!cancelled) done(result)
    })
    return cancellable
  }

  /** Gives a new connection to those who waited for it; whom it has no room for gets another. */
  #serve(group: Group, kept: Kept, waiting: readonly Waiter[]): void {
    const { connection } = kept
    for (const waiter of waiting) {
      const { headers, endStream, done } = waiter
      if (waiter.cancelled || (connection.canOpen() && this.#send(group, kept, headers, endStream, done))) continue
      // a peer that takes nothing at all would be called for ever
      if (kept.requests === 0) done(unusable)
      else waiter.next = this.open(group.origin, headers, endStream, 'any', done)
    }
  }

  #groupOf(origin: Origin): Group {
    let group = this.#groups.get(origin.key)
    if (group === undefined) {
      group = { origin, open: [], waiting: undefined }
      this.#groups.set(origin.key, group)
    }
    group.origin = origin
    return group
  }

  #keep({ origin }: Group, { connection, localAddress }: Extract<Dialled, { kind: 'connected' }>): Kept {
    // That from which it was asked for may have been forgotten meanwhile, with the last connection it had.
    const group = this.#groupOf(origin)
    const kept = { connection, localAddress, requests: 0, usedAt: 0, idleSince: 0 }
    group.open.push(kept)
    connection.onClose = () => {
      const at = group.open.indexOf(kept)
      if (at >= 0) group.open.splice(at, 1)
      this.#forgetEmpty(group)
    }
    this.#sweep ??= this.#clock.timer(sweepMs, () => this.#closeIdle())
    return kept
  }

  #send(
    group: Group,
    kept: Kept,
    headers: HeaderList,
    endStream: boolean,
    done: (result: OpenResult) => void,
  ): boolean {
    const stream = kept.connection.open(headers, endStream)
    if (stream === undefined) return false
    kept.requests += 1
    kept.usedAt = this.#clock.monotonic()
    kept.idleSince = 0
    const { maxRequestsPerConnection } = group.origin
    if (maxRequestsPerConnection !== undefined && kept.requests >= maxRequestsPerConnection) kept.connection.goaway()
    done({ kind: 'open', stream, fresh: kept.requests === 1, isAgent: false, localAddress: kept.localAddress })
    return true
  }

  /** What is replaced is closed, or requests that come seldom would leave a connection each. */
  #closeStale(group: Group): void {
    const since = this.#clock.monotonic() - recentMs
    for (let at = group.open.length - 1; at >= 0; at -= 1) {
      const kept = group.open[at]
      if (kept !== undefined && kept.usedAt < since && kept.connection.canOpen()) kept.connection.goaway()
    }
  }

  #forgetEmpty(group: Group): void {
    if (group.open.length === 0 && group.waiting === undefined) this.#groups.delete(group.origin.key)
  }

  /** One timer for all connections: being a few seconds late costs nobody anything. */
  #closeIdle(): void {
    this.#sweep = undefined
    const now = this.#clock.monotonic()
    for (const { open, origin } of this.#groups.values()) {
      for (const kept of [...open]) {
        if (kept.connection.openStreams > 0) kept.idleSince = 0
        else if (kept.idleSince === 0) kept.idleSince = now
        else if (now - kept.idleSince >= origin.idleTimeoutMs) kept.connection.goaway()
      }
    }
    if (this.#groups.size > 0) this.#sweep = this.#clock.timer(sweepMs, () => this.#closeIdle())
  }
}

const unusable = {
  kind: 'failed',
  reason: 'UPSTREAM_CONNECT',
  detail: 'the new connection took no request',
} as const
