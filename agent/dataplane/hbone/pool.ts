import type { Clock, Timer } from '../../../mesh/std/clock.ts'
import type { BlockPool } from '../h2/blocks.ts'
import type { HeaderList } from '../h2/stream.ts'
import type { TlsContexts } from '../tls-contexts.ts'
import { HboneSession, type SessionTarget } from './session.ts'
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
  readonly #clock: Clock
  readonly #blocks: BlockPool
  #sweep: Timer | undefined

  constructor(clock: Clock, blocks: BlockPool) {
    this.#clock = clock
    this.#blocks = blocks
  }

  get sessions(): number {
    return this.#all().length
  }

  get openStreams(): number {
    return this.#all().reduce((count, session) => count + session.openStreams, 0)
  }

  /** Opens a tunnel on a session with room, or on a new one; `done` is called once. */
  open(target: SessionTarget, headers: HeaderList, done: (result: TunnelResult) => void): void {
    const session = this.#sessionFor(target)
    session.idleSince = undefined
    this.#sweep ??= this.#clock.timer(sweepMs, () => this.#releaseIdle())
    session.tunnel(headers, done)
  }

  /** Retires every session whose identity has another TLS context now: a new certificate, a new trust bundle. */
  renew(contexts: TlsContexts): void {
    for (const session of this.#all()) {
      if (contexts.of(session.target.source.identity) !== session.target.source) session.retire()
    }
  }

  /** Open tunnels may finish; their sessions take no more. */
  drain(): void {
    for (const session of this.#all()) session.retire()
  }

  destroy(): void {
    this.#sweep?.cancel()
    for (const session of this.#all()) session.destroy('the agent stopped')
  }

  #sessionFor(target: SessionTarget): HboneSession {
    const key = `${target.source.identity}|${target.destination}|${target.address}`
    let list = this.#sessions.get(key)
    if (list === undefined) {
      list = []
      this.#sessions.set(key, list)
    }
    for (const session of list) {
      if (session.hasRoom && session.target.source === target.source) return session
    }
    const session = new HboneSession(target, this.#clock, this.#blocks, gone => this.#forget(key, gone))
    list.push(session)
    return session
  }

  #forget(key: string, session: HboneSession): void {
    const list = this.#sessions.get(key)?.filter(one => one !== session) ?? []
    if (list.length === 0) this.#sessions.delete(key)
    else this.#sessions.set(key, list)
  }

  #releaseIdle(): void {
    this.#sweep = undefined
    const now = this.#clock.monotonic()
    for (const session of this.#all()) {
      if (session.openStreams > 0) session.idleSince = undefined
      else if (session.idleSince === undefined) session.idleSince = now
      else if (now - session.idleSince >= idleReleaseMs) session.retire()
    }
    if (this.#sessions.size > 0) this.#sweep = this.#clock.timer(sweepMs, () => this.#releaseIdle())
  }

  #all(): HboneSession[] {
    return [...this.#sessions.values()].flat()
  }
}
