import type { TrustResource } from '../../../mesh/model/agent-config.ts'
import type { Clock, Timer } from '../../../mesh/std/clock.ts'
import type { HeaderList } from '../h2/stream.ts'
import type { TlsContexts } from '../tls-contexts.ts'
import { PeerBans } from './peer-trust.ts'
import {
  HboneSession,
  type Pending,
  type RequestResult,
  type SessionEvents,
  type SessionTarget,
  type SessionWire,
} from './session.ts'
import type { TunnelResult } from './tunnel.ts'

/** How long a session without tunnels is kept (features 2.8), and how often that is looked at. */
const idleReleaseMs = 5 * 60_000
const sweepMs = 60_000

/**
 * Sessions to other agents, shared by all connections with the same source identity, destination identity and
 * destination address: a connection costs a stream, not a handshake, and never travels under another's identity.
 */
export class HbonePool {
  readonly #sessions = new Map<string, HboneSession[]>()
  readonly #keys = new WeakMap<SessionTarget, string>()
  /** Those that take no more tunnels and still carry some. */
  readonly #retired = new Set<HboneSession>()
  readonly #clock: Clock
  readonly #wire: SessionWire
  #sweep: Timer | undefined
  #bans = new PeerBans()

  constructor(clock: Clock, wire: SessionWire) {
    this.#clock = clock
    this.#wire = wire
  }

  /** Sessions that take tunnels. */
  get sessions(): number {
    return this.#current().length
  }

  /** Tunnels of all sessions, the retired ones included. */
  get openStreams(): number {
    return this.#all().reduce((count, session) => count + session.openStreams, 0)
  }

  /** Opens a tunnel on a session with room, or on a new one; `done` is called once. */
  open(target: SessionTarget, headers: HeaderList, done: (result: TunnelResult) => void): void {
    this.#readyFor(target).tunnel(headers, done)
  }

  /**
   * Sends a request as a stream of a session, where the peer is a Weft agent. `done` is called once, before this
   * returns when a session is ready, unless it is cancelled first. The caller puts what `request-fields.ts` names behind
   * the pseudo-headers. A target that is the same object each time is found faster.
   */
  request(
    target: SessionTarget,
    headers: HeaderList,
    endStream: boolean,
    done: (result: RequestResult) => void,
  ): Pending {
    return this.#readyFor(target).request(headers, endStream, done)
  }

  /** Retires every session whose identity has another TLS context now: a new certificate, a new trust bundle. */
  renew(contexts: TlsContexts): void {
    this.#bans = contexts.bans
    for (const session of this.#current()) {
      if (contexts.of(session.target.source.identity) !== session.target.source) session.retire()
    }
  }

  /** Closes at once the sessions, with all they carry, whose peers this bundle would not believe. */
  judgeAgain(trust: TrustResource): void {
    const now = this.#clock.now()
    for (const session of this.#all()) session.judgeAgain(now, trust)
  }

  destroy(): void {
    this.#sweep?.cancel()
    for (const session of this.#all()) session.destroy('the agent stopped')
  }

  #readyFor(target: SessionTarget): HboneSession {
    const session = this.#sessionFor(target)
    session.idleSince = undefined
    if (this.#sweep === undefined) this.#startSweep()
    return session
  }

  #keyOf(target: SessionTarget): string {
    let key = this.#keys.get(target)
    if (key === undefined) {
      key = `${target.source.identity}|${target.destination}|${target.address}`
      this.#keys.set(target, key)
    }
    return key
  }

  #sessionFor(target: SessionTarget): HboneSession {
    const key = this.#keyOf(target)
    let list = this.#sessions.get(key)
    if (list === undefined) {
      list = []
      this.#sessions.set(key, list)
    }
    for (const session of list) {
      if (session.hasRoom && session.target.source === target.source) return session
    }
    const events: SessionEvents = {
      retired: gone => this.#forget(key, gone),
      ended: gone => this.#retired.delete(gone),
    }
    const session = new HboneSession(target, this.#clock, this.#wire, events, () => this.#bans)
    list.push(session)
    return session
  }

  #forget(key: string, session: HboneSession): void {
    const list = this.#sessions.get(key)?.filter(one => one !== session) ?? []
    if (list.length === 0) this.#sessions.delete(key)
    else this.#sessions.set(key, list)
    this.#retired.add(session)
  }

  #releaseIdle(): void {
    this.#sweep = undefined
    const now = this.#clock.monotonic()
    for (const session of this.#all()) session.judgeAgain(this.#clock.now())
    for (const session of this.#current()) {
      if (session.openStreams > 0) session.idleSince = undefined
      else if (session.idleSince === undefined) session.idleSince = now
      else if (now - session.idleSince >= idleReleaseMs) session.retire()
    }
    if (this.#sessions.size + this.#retired.size > 0) this.#startSweep()
  }

  #startSweep(): void {
    this.#sweep ??= this.#clock.timer(sweepMs, () => this.#releaseIdle())
  }

  #current(): HboneSession[] {
    return [...this.#sessions.values()].flat()
  }

  #all(): HboneSession[] {
    return [...this.#current(), ...this.#retired]
  }
}
