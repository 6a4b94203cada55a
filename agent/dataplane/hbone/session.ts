import { connect, type TLSSocket } from 'node:tls'
import { peerSpiffeId } from '../../../mesh/identity/verify.ts'
import type { TrustResource } from '../../../mesh/model/agent-config.ts'
import type { Clock, Timer } from '../../../mesh/std/clock.ts'
import { describeError } from '../../../mesh/std/errors.ts'
import { H2Connection } from '../h2/connection.ts'
import type { H2Options } from '../h2/options.ts'
import type { H2Stream, HeaderList } from '../h2/stream.ts'
import type { IdentityContext } from '../tls-contexts.ts'
import { PeerBans, stillTrusted } from './peer-trust.ts'
import { sessionAlpns, sessionSettings, weftAlpn } from './settings.ts'
import { SilenceWatch } from './silence.ts'
import { noRoom, openTunnel, type SessionFailure, type TunnelResult, type TunnelSession } from './tunnel.ts'

export interface SessionTarget {
  /** Whose certificate is presented. */
  readonly source: IdentityContext
  /** SPIFFE id the other side must prove, and the server name that asks for it. */
  readonly destination: string
  readonly serverName: string
  readonly address: string
  readonly port: number
  readonly trustDomain: string
}

/** What all connections of a thread share. */
export type SessionWire = Pick<H2Options, 'blocks' | 'reads'>

/** What a session tells its pool; each is called once, in this order. */
export interface SessionEvents {
  /** It takes no more tunnels; open ones go on. */
  retired(session: HboneSession): void
  /** Its connection is over. */
  ended(session: HboneSession): void
}

/**
 * What became of a request: a stream that has carried its head, whose callbacks are the caller's and bring the response;
 * a failure, with nothing sent; or `unsupported`, when the peer is no Weft agent and only takes tunnels. A peer that
 * falls silent before the response begins resets the stream with `silentPeerCode`.
 */
export type RequestResult =
  | { readonly kind: 'open'; readonly stream: H2Stream }
  | SessionFailure
  | { readonly kind: 'unsupported' }

/** Gives up waiting for a result: then `done` is not called. Harmless afterwards. */
export interface Pending {
  cancel(): void
}

interface Waiter {
  ready(): void
  failed(failure: SessionFailure): void
}

const connectTimeoutMs = 5_000
const nobody = new PeerBans()
/** ztunnel's limit (features 2.8); beyond it another session is opened beside. */
export const maxStreamsPerSession = 100

/**
 * One mTLS HTTP/2 session to another agent. Tunnels and requests may be asked for while it is still connecting; they
 * wait for the handshake and share its fate. The peer's identity is checked before the first frame is read or written.
 */
export class HboneSession {
  readonly target: SessionTarget
  #state: 'connecting' | 'ready' | 'retired' = 'connecting'
  #waiters = new Set<Waiter>()
  #connection: H2Connection | undefined
  #tunnels: TunnelSession | undefined
  /** Set where the peer takes requests. */
  #silence: SilenceWatch | undefined
  readonly #clock: Clock
  readonly #wire: SessionWire
  readonly #events: SessionEvents
  readonly #bans: () => PeerBans
  readonly #socket: TLSSocket
  readonly #timeout: Timer
  #peerExpiresAt = Number.POSITIVE_INFINITY

  /** Monotonic time since when it has had no tunnel; the pool's sweep keeps it. */
  idleSince: number | undefined

  /** `bans` gives those of the moment. */
  constructor(
    target: SessionTarget,
    clock: Clock,
    wire: SessionWire,
    events: SessionEvents,
    bans: () => PeerBans = () => nobody,
  ) {
    this.target = target
    this.#clock = clock
    this.#wire = wire
    this.#events = events
    this.#bans = bans
    const socket = connect({
      host: target.address,
      port: target.port,
      secureContext: target.source.secureContext,
      servername: target.serverName,
      ALPNProtocols: [...sessionAlpns],
      rejectUnauthorized: true,
      // The name is only an address here; who it is, the SPIFFE id says.
      checkServerIdentity: () => undefined,
    })
    this.#socket = socket
    socket.setNoDelay(true)
    let connected = false
    socket.on('connect', () => {
      connected = true
    })
    this.#timeout = clock.timer(connectTimeoutMs, () => {
      const reason = connected ? 'UPSTREAM_TLS' : 'UPSTREAM_CONNECT'
      this.#fail(reason, `no answer within ${connectTimeoutMs / 1000} s`)
    })
    socket.on('error', error => this.#fail(connected ? 'UPSTREAM_TLS' : 'UPSTREAM_CONNECT', describeError(error)))
    socket.on('close', () => this.#fail('UPSTREAM_TLS', 'the peer closed the connection during the handshake'))
    socket.once('secureConnect', () => this.#secured())
  }

  get openStreams(): number {
    return this.#connection?.openStreams ?? this.#waiters.size
  }

  /** Whether another tunnel may be asked for. */
  get hasRoom(): boolean {
    if (this.#state === 'connecting') return this.#waiters.size < maxStreamsPerSession
    return this.#state === 'ready' && this.#connection !== undefined && this.#connection.canOpen()
  }

  /** Opens a tunnel; `done` is called once, also when the session fails first. */
  tunnel(headers: HeaderList, done: (result: TunnelResult) => void): void {
    if (this.#state !== 'connecting') this.#open(headers, done)
    else this.#waiters.add({ ready: () => this.#open(headers, done), failed: done })
  }

  /**
   * Sends a request as a stream of its own. `done` is called once, before this returns when the session is ready, unless
   * it is cancelled first.
   */
  request(headers: HeaderList, endStream: boolean, done: (result: RequestResult) => void): Pending {
    if (this.#state !== 'connecting') {
      done(this.#request(headers, endStream))
      return nothingPending
    }
    const waiter: Waiter = { ready: () => done(this.#request(headers, endStream)), failed: done }
    this.#waiters.add(waiter)
    return { cancel: () => void this.#waiters.delete(waiter) }
  }

  /**
   * Takes no more tunnels and closes when the open ones have ended. While it is still connecting, those that wait may
   * ask again for another one.
   */
  retire(): void {
    if (this.#state === 'connecting') return this.#fail('UPSTREAM_CONNECT', 'the session was given up', true)
    if (this.#state === 'retired') return
    this.#state = 'retired'
    this.#events.retired(this)
    this.#connection?.goaway(0)
  }

  /** Closes at once when the peer's certificate has expired, or its chain is not believed by `trust`, if that is given. */
  judgeAgain(now: number, trust?: TrustResource): void {
    if (this.#connection === undefined) return
    if (now > this.#peerExpiresAt) this.destroy('the peer’s certificate has expired')
    else if (trust !== undefined && !stillTrusted(this.#socket, trust, now)) {
      this.destroy('the peer’s certificate is not trusted any more')
    }
  }

  destroy(reason: string): void {
    this.#fail('UPSTREAM_CONNECT', reason)
    this.#connection?.destroy(reason)
  }

  #secured(): void {
    const { destination, trustDomain } = this.target
    try {
      const certificate = this.#socket.getPeerX509Certificate()
      if (certificate === undefined) throw new Error('the peer sent no certificate')
      const identity = peerSpiffeId(certificate.raw, trustDomain)
      if (identity !== destination) {
        return this.#fail('PEER_IDENTITY', `expected ${destination}, got ${identity}`)
      }
      if (this.#bans().has(identity, certificate)) return this.#fail('PEER_BANNED', identity)
      this.#peerExpiresAt = certificate.validToDate.getTime()
    } catch (error) {
      return this.#fail('PEER_IDENTITY', describeError(error))
    }
    const settings = sessionSettings(this.#socket.alpnProtocol)
    if (settings === undefined) return this.#fail('UPSTREAM_TLS', 'the peer does not speak h2')
    this.#timeout.cancel()
    this.#state = 'ready'
    const connection = new H2Connection(this.#socket, 'client', {
      ...settings,
      ...this.#wire,
      clock: this.#clock,
    })
    this.#connection = connection
    const tunnels = tunnelsOf(connection, this.#socket)
    this.#tunnels = tunnels
    if (this.#socket.alpnProtocol === weftAlpn) this.#silence = silenceWatch(this.#clock, connection, tunnels, this)
    connection.onGoaway = () => this.retire()
    connection.onClose = () => {
      this.#silence?.stop()
      this.retire()
      this.#events.ended(this)
    }
    for (const waiter of this.#waiters) {
      this.#waiters.delete(waiter)
      waiter.ready()
    }
  }

  #open(headers: HeaderList, done: (result: TunnelResult) => void): void {
    const tunnels = this.#tunnels
    if (tunnels === undefined) return done(sessionGone)
    openTunnel(tunnels, headers, this.#clock, result => {
      if (result.kind === 'failed' && result.silent) this.retire()
      done(result)
    })
  }

  #request(headers: HeaderList, endStream: boolean): RequestResult {
    const connection = this.#connection
    if (connection === undefined) return sessionGone
    if (this.#silence === undefined) return unsupported
    const stream = connection.open(headers, endStream)
    if (stream === undefined) return noRoom
    this.#silence.sent()
    return { kind: 'open', stream }
  }

  /** Ends a session that is still connecting; `again` tells those that wait that they may ask for another one. */
  #fail(
    reason: 'UPSTREAM_CONNECT' | 'UPSTREAM_TLS' | 'PEER_IDENTITY' | 'PEER_BANNED',
    detail: string,
    again = false,
  ): void {
    if (this.#state !== 'connecting') return
    this.#timeout.cancel()
    this.#state = 'retired'
    this.#socket.destroy()
    this.#events.retired(this)
    this.#events.ended(this)
    for (const waiter of this.#waiters) {
      this.#waiters.delete(waiter)
      waiter.failed({ kind: 'failed', reason, detail, again })
    }
  }
}

const sessionGone: SessionFailure = {
  kind: 'failed',
  reason: 'UPSTREAM_CONNECT',
  detail: 'the session is gone',
  again: true,
}
const unsupported = { kind: 'unsupported' } as const
const nothingPending: Pending = { cancel() {} }

function silenceWatch(clock: Clock, connection: H2Connection, tunnels: TunnelSession, session: HboneSession) {
  const watched = {
    get bytesHeard() {
      return tunnels.bytesHeard
    },
    ask: () => tunnels.ask(),
    lookAtUnanswered: () => connection.lookAtUnanswered(),
    giveUpUnanswered: (looks: number, code: number, reason: string) => connection.giveUpUnanswered(looks, code, reason),
  }
  return new SilenceWatch(clock, watched, () => session.retire())
}

/** One question at a time, however many tunnels wait. */
function tunnelsOf(connection: H2Connection, socket: TLSSocket): TunnelSession {
  let asked = false
  return {
    open: (headers, endStream) => connection.open(headers, endStream),
    get bytesHeard() {
      return socket.bytesRead
    },
    ask() {
      if (asked) return
      asked = true
      connection.ping(() => {
        asked = false
      })
    },
  }
}
