import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Clock, Timer } from '../../../mesh/std/clock.ts'
import type { HttpClientConnection, HttpServerConnection } from '../http/stream.ts'
import type { Refusal } from './app-request.ts'
import { BlockPool } from './blocks.ts'
import { Deadlines } from './deadlines.ts'
import { asksForUpgrade, type FieldRules, fieldRules } from './fields.ts'
import { clientPreface, defaultWindow, flag, frameType, goawayPayload, h2Error, maxWindow } from './frames.ts'
import { DynamicEncoder } from './hpack/dynamic-encoder.ts'
import { HpackEncoder } from './hpack/encoder.ts'
import type { HeaderEncoder } from './hpack/header-encoder.ts'
import { type ConnectionEvents, IncomingFrames } from './incoming.ts'
import { defaultKeepalive, Keepalive } from './keepalive.ts'
import { defaultLimits, EventLimit, type H2Limits } from './limits.ts'
import type { LiveStream } from './live-stream.ts'
import type { H2Options } from './options.ts'
import { Pings } from './pings.ts'
import { FrameReader } from './reader.ts'
import {
  announcedSettings,
  applySettings,
  defaultLocalSettings,
  initialPeerSettings,
  type LocalSettings,
  type PeerSettings,
} from './settings.ts'
import { StallWatch } from './stalls.ts'
import type { H2Stream, HeaderList } from './stream.ts'
import { StreamTable } from './stream-table.ts'
import { FrameWriter } from './writer.ts'

export type { H2Options } from './options.ts'
export type { H2Stream, HeaderList } from './stream.ts'

/** How long a peer that broke the protocol may take to read our last words. */
const lingerMs = 1_000
/** How long a peer may take to receive the rest of its streams and to close its side, after both said goodbye. */
const gracefulLingerMs = 30_000
/** How much of a peer's header table is used, in the dialects that have one. */
const maxPeerTableBytes = 16 * 1024
/** How long a graceful goaway waits for the peer to have seen its first half. */
const goawayRoundTripMs = 1_000

/**
 * One HTTP/2 connection (RFC 9113) over a socket that is connected, and for TLS verified: framing, header compression,
 * flow control, and the limits that keep a hostile peer cheap. It knows nothing of what the streams carry. It reads
 * from the moment it is made, so callbacks are set in the same turn.
 */
export class H2Connection implements HttpClientConnection, HttpServerConnection {
  /** A peer opened a stream (server). Set the stream's callbacks before returning. */
  onStream: HttpServerConnection['onStream'] = undefined
  /** The peer takes no new streams; those it will not handle were reset with REFUSED_STREAM. */
  onGoaway: ((code: number) => void) | undefined = undefined
  /** A request was refused in HTTP's own terms, as applications are answered: `headers` as far as they were read. */
  onRefused: ((refusal: Refusal, headers: HeaderList) => void) | undefined = undefined
  /** The connection is over, for whatever reason; exactly once, after every stream's `onReset`. */
  onClose: ((reason: string) => void) | undefined = undefined

  readonly #socket: Duplex
  readonly #role: 'client' | 'server'
  readonly #clock: Clock
  readonly #limits: H2Limits
  readonly #maxStreams: number
  readonly #peer: PeerSettings = initialPeerSettings()
  readonly #writer: FrameWriter
  readonly #encoder: HeaderEncoder
  readonly #rules: FieldRules
  readonly #streams: StreamTable
  readonly #incoming: IncomingFrames
  readonly #reader: FrameReader
  readonly #stalls: StallWatch
  readonly #pings: Pings
  readonly #deadlines: Deadlines
  readonly #keepalive: Keepalive | undefined
  readonly #reads: H2Options['reads']
  readonly #pingLimit: EventLimit
  readonly #settingsLimit: EventLimit
  #nextId = 1
  #state: 'open' | 'closed' = 'open'
  /** Our GOAWAY: not sent, announced with the highest id, or final. */
  #leaving: 'no' | 'announced' | 'final' = 'no'
  #lastTaken = maxWindow
  #peerLeft = false
  #goawayTimer: Timer | undefined
  #lingerTimer: Timer | undefined

  constructor(socket: Duplex, role: 'client' | 'server', options: H2Options) {
    const local: LocalSettings = { ...defaultLocalSettings, ...options.settings }
    const limits: H2Limits = { ...defaultLimits, ...options.limits }
    const { clock, dialect = 'h2', scheme = 'http' } = options
    this.#socket = socket
    this.#role = role
    this.#clock = clock
    this.#limits = limits
    this.#reads = options.reads
    this.#maxStreams = options.maxConcurrentStreams ?? 100
    this.#writer = new FrameWriter(socket, options.blocks ?? new BlockPool(), () => {
      this.#keepalive?.written()
      this.#stalls.written()
      this.#streams.sender.pump()
    })
    this.#encoder = dialect === 'h2' ? new HpackEncoder() : new DynamicEncoder(maxPeerTableBytes, dialect === 'weft')
    this.#rules = fieldRules(dialect)
    this.#streams = new StreamTable(this.#writer, this.#encoder, local, this.#peer, limits, () => this.#closeWhenDone())
    this.#stalls = new StallWatch(clock, limits, this.#streams, this.#writer, reason => this.destroy(reason))
    const incoming = { role, local, limits, clock, dialect, scheme, rules: this.#rules }
    this.#incoming = new IncomingFrames(this.#streams, this.#events(), incoming)
    this.#reader = new FrameReader(this.#incoming, {
      maxFrameSize: local.maxFrameSize,
      headerBlockBytes: limits.headerBlockBytes,
      expectsPreface: role === 'server',
      expectsSettings: true,
    })
    this.#pings = new Pings(clock)
    this.#deadlines = new Deadlines(clock, limits, (code, reason) => this.#fail(code, reason))
    this.#pingLimit = new EventLimit(limits.pings, () => clock.monotonic())
    this.#settingsLimit = new EventLimit(limits.settings, () => clock.monotonic())
    if (options.keepalive !== false) {
      this.#keepalive = new Keepalive(this, clock, { ...defaultKeepalive, ...options.keepalive })
    }
    this.#start(local)
  }

  /** Streams that are not over, of both sides. */
  get openStreams(): number {
    return this.#streams.size
  }

  /** True while the socket has not taken what it was given. */
  get writing(): boolean {
    return this.#writer.writing
  }

  /** How many more streams can be opened now; 0 once either side said goodbye. */
  get availableStreams(): number {
    if (this.#state === 'closed' || this.#peerLeft || this.#leaving !== 'no' || this.#nextId > maxWindow) return 0
    return Math.max(0, Math.min(this.#maxStreams, this.#peer.maxConcurrentStreams) - this.#streams.size)
  }

  canOpen(): boolean {
    return this.availableStreams > 0
  }

  /** Opens a stream (client), or returns undefined when there is no capacity: see {@link canOpen}. */
  open(headers: HeaderList, endStream: boolean): H2Stream | undefined {
    if (this.#role === 'server' || !this.canOpen()) return undefined
    const stream = this.#streams.add(this.#nextId)
    this.#stalls.opened()
    this.#incoming.opened(this.#nextId)
    this.#nextId += 2
    const method = headers[headers.indexOf(':method') + 1]
    stream.sentConnect = method === 'CONNECT'
    stream.sentHead = method === 'HEAD'
    stream.upgrades = asksForUpgrade(headers, this.#rules)
    this.#streams.sendHeaders(stream, headers, endStream)
    return stream
  }

  /**
   * Counts a look at each request whose response has not begun (tunnels left out), and returns how many looks the
   * oldest of them has seen: 0 when there is none.
   */
  lookAtUnanswered(): number {
    return this.#streams.lookAtUnanswered()
  }

  /** Gives those up that have seen at least so many looks: cancelled for the peer, and `code` for their users. */
  giveUpUnanswered(looks: number, code: number, reason: string): void {
    this.#streams.giveUpUnanswered(looks, code, reason)
  }

  /** Measures the round trip in milliseconds; `done` gets undefined when the connection ends first. */
  ping(done: (rttMs?: number) => void): void {
    if (this.#state === 'closed') return done(undefined)
    this.#writer.frame(frameType.ping, 0, 0, this.#pings.start(done))
  }

  /**
   * Says goodbye: nothing new is opened, open streams finish, then the connection closes. A server first announces it,
   * so that streams under way are still taken, and names the last one a round trip later (RFC 9113 section 6.8).
   */
  goaway(code: number = h2Error.noError): void {
    if (this.#state === 'closed' || this.#leaving !== 'no') return
    if (this.#role === 'client' || code !== h2Error.noError) return this.#leaveNow(code)
    this.#leaving = 'announced'
    this.#sendGoaway(maxWindow, code, '')
    const finish = () => this.#leaveNow(code)
    this.#goawayTimer = this.#clock.timer(goawayRoundTripMs, finish)
    this.ping(finish)
  }

  /** Closes at once; streams are reset. Harmless when it is closed already. */
  destroy(reason: string): void {
    if (this.#lingerTimer !== undefined) this.#endLinger()
    if (!this.#close(h2Error.internal, reason)) return
    this.#writer.close()
    this.#socket.destroy()
    this.onClose?.(reason)
  }

  #start(local: LocalSettings): void {
    const socket = this.#socket
    const more = local.connectionWindow - defaultWindow
    if (socket instanceof Socket) socket.setNoDelay(true)
    if (this.#role === 'client') this.#writer.raw(clientPreface)
    const payload = announcedSettings(local, this.#role, this.#maxStreams, this.#limits.headerListBytes)
    this.#writer.frame(frameType.settings, 0, 0, payload)
    if (more > 0) this.#writer.numberFrame(frameType.windowUpdate, 0, more)
    socket.on('error', error => this.destroy(error.message))
    socket.on('close', () => this.destroy('the connection was lost'))
    socket.on('end', () => this.destroy('the peer closed the connection'))
    socket.on('data', this.#received)
    // also a socket that was held until its peer was verified
    socket.resume()
  }

  readonly #received = (chunk: Buffer): void => {
    this.#reads?.read(chunk)
    this.#keepalive?.heard()
    this.#reader.push(chunk)
    if (this.#state === 'open') this.#deadlines.owes(this.#reader.waitsForRest)
  }

  #events(): ConnectionEvents {
    return {
      settingsAcknowledged: () => this.#deadlines.acknowledged(),
      settingsReceived: payload => this.#settingsReceived(payload),
      pingReceived: payload => this.#pingReceived(payload),
      pingAnswered: payload => this.#pings.answered(payload),
      goawayReceived: (lastStreamId, code) => this.#goawayReceived(lastStreamId, code),
      admission: streamId => this.#admission(streamId),
      streamOpened: (stream, headers, endStream) => this.#streamOpened(stream, headers, endStream),
      requestRefused: (refusal, headers) => this.onRefused?.(refusal, headers),
      violation: (code, reason) => this.#fail(code, reason),
    }
  }

  #settingsReceived(payload: Buffer): void {
    if (this.#settingsLimit.exceeded()) return this.#fail(h2Error.enhanceYourCalm, 'too many SETTINGS frames')
    this.#deadlines.began()
    const before = this.#peer.initialWindowSize
    const code = applySettings(payload, this.#peer, this.#role === 'client')
    if (code !== h2Error.noError) return this.#fail(code, 'a setting has a value that is not allowed')
    this.#streams.sender.maxFrameSize = this.#peer.maxFrameSize
    this.#encoder.peerTableSize(this.#peer.headerTableSize)
    const difference = this.#peer.initialWindowSize - before
    if (difference !== 0 && !this.#streams.adjustWindows(difference)) {
      return this.#fail(h2Error.flowControl, 'a stream window overflowed')
    }
    this.#reply(frameType.settings, nothing)
  }

  #pingReceived(payload: Buffer): void {
    if (this.#pingLimit.exceeded()) return this.#fail(h2Error.enhanceYourCalm, 'too many PING frames')
    this.#reply(frameType.ping, payload)
  }

  #reply(type: number, payload: Buffer): void {
    if (this.#writer.gathered > this.#limits.unreadControlBytes) {
      return this.#fail(h2Error.enhanceYourCalm, 'the peer does not read our answers')
    }
    this.#writer.frame(type, flag.ack, 0, payload)
  }

  #goawayReceived(lastStreamId: number, code: number): void {
    const first = !this.#peerLeft
    this.#peerLeft = true
    if (this.#role === 'client') this.#streams.dropBeyond(lastStreamId, 'the peer is going away')
    if (first) this.onGoaway?.(code)
    this.#closeWhenDone()
  }

  #admission(streamId: number): 'take' | 'refuse' | 'ignore' {
    if (streamId > this.#lastTaken) return 'ignore'
    return this.#streams.size >= this.#maxStreams ? 'refuse' : 'take'
  }

  #streamOpened(stream: LiveStream, headers: string[], endStream: boolean): void {
    this.#stalls.opened()
    if (this.onStream === undefined) this.#streams.resetFor(stream, h2Error.refusedStream, 'nobody takes streams')
    else this.onStream(stream, headers, endStream)
  }

  #leaveNow(code: number): void {
    if (this.#state === 'closed' || this.#leaving === 'final') return
    this.#goawayTimer?.cancel()
    this.#leaving = 'final'
    this.#lastTaken = this.#incoming.lastPeerId
    this.#sendGoaway(this.#lastTaken, code, '')
    this.#closeWhenDone()
  }

  #sendGoaway(lastStreamId: number, code: number, reason: string): void {
    this.#writer.frame(frameType.goaway, 0, 0, goawayPayload(lastStreamId, code, reason))
  }

  /** After a goodbye of either side, the last stream takes the connection with it. */
  #closeWhenDone(): void {
    if (this.#state === 'closed' || this.#streams.size > 0) return
    if (this.#leaving !== 'final' && !this.#peerLeft) return
    if (this.#leaving !== 'final') this.#sendGoaway(this.#incoming.lastPeerId, h2Error.noError, '')
    this.#endAfterLastWords('going away')
  }

  /** GOAWAY with the reason, and the end: RFC 9113 section 5.4.1. */
  #fail(code: number, reason: string): void {
    if (this.#state === 'closed') return
    this.#sendGoaway(this.#incoming.lastPeerId, code, reason)
    this.#endAfterLastWords(reason, code)
  }

  #endAfterLastWords(reason: string, code: number = h2Error.noError): void {
    if (!this.#close(code, reason)) return
    this.#writer.end()
    // still reading and dropping: unread bytes would make the kernel answer with a reset that overtakes our GOAWAY
    const patience = code === h2Error.noError ? gracefulLingerMs : lingerMs
    this.#lingerTimer = this.#clock.timer(patience, () => this.#endLinger())
    this.onClose?.(reason)
  }

  #endLinger(): void {
    this.#lingerTimer?.cancel()
    this.#lingerTimer = undefined
    this.#socket.destroy()
  }

  #close(code: number, reason: string): boolean {
    if (this.#state === 'closed') return false
    this.#state = 'closed'
    this.#reader.stop()
    this.#keepalive?.stop()
    this.#deadlines.stop()
    this.#stalls.stop()
    this.#goawayTimer?.cancel()
    this.#streams.close(code, reason)
    this.#pings.close()
    return true
  }
}

const nothing = Buffer.alloc(0)
