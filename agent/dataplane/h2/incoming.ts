import type { Clock } from '../../../mesh/std/clock.ts'
import { prepareAppRequest, type Refusal, tooLarge } from './app-request.ts'
import type { Dialect } from './dialect.ts'
import { asksForUpgrade, checkRequest, checkResponse, checkTrailers, type FieldRules } from './fields.ts'
import { defaultWindow, flag, frameType, h2Error, readUint31, readUint32 } from './frames.ts'
import { type BlockProblem, HeaderBlock } from './header-block.ts'
import { HpackDecoder } from './hpack/decoder.ts'
import { EventLimit, type H2Limits } from './limits.ts'
import type { LiveStream } from './live-stream.ts'
import type { FrameSink } from './reader.ts'
import type { LocalSettings } from './settings.ts'
import type { HeaderList } from './stream.ts'
import type { StreamTable } from './stream-table.ts'

/** What incoming frames mean for the connection as a whole. */
export interface ConnectionEvents {
  /** Our settings are in force at the peer; the peer's follow. */
  settingsAcknowledged(): void
  settingsReceived(payload: Buffer): void
  pingReceived(payload: Buffer): void
  pingAnswered(payload: Buffer): void
  goawayReceived(lastStreamId: number, code: number): void
  /** Whether a stream the peer wants to open is taken, refused, or passed over because we said goodbye before. */
  admission(streamId: number): 'take' | 'refuse' | 'ignore'
  streamOpened(stream: LiveStream, headers: string[], endStream: boolean): void
  /** An application's request was answered without its owner. */
  requestRefused(refusal: Refusal, headers: HeaderList): void
  /** The connection must end. */
  violation(code: number, reason: string): void
}

export interface IncomingOptions {
  readonly role: 'client' | 'server'
  readonly local: LocalSettings
  readonly limits: H2Limits
  readonly clock: Clock
  readonly dialect: Dialect
  readonly scheme: 'http' | 'https'
  readonly rules: FieldRules
}

/** What happens on a stream that never was, or is over. */
type Absent = 'idle' | 'reset' | 'closed'

/**
 * Judges incoming frames by the state of their stream (RFC 9113 sections 5.1 and 6): delivers what is in order, resets
 * the stream or ends the connection where it is not, and counts what only an attacker does often.
 */
export class IncomingFrames implements FrameSink {
  readonly #streams: StreamTable
  readonly #events: ConnectionEvents
  readonly #options: IncomingOptions
  readonly #rules: FieldRules
  readonly #decoder: HpackDecoder
  readonly #block: HeaderBlock
  readonly #resets: EventLimit
  readonly #emptyData: EventLimit
  readonly #windowUpdates: EventLimit
  #creditedFrames = 0
  /** Streams opened by this side, and by the peer, so far: anything above is idle. */
  #lastOwnId = 0
  #lastPeerId = 0
  /** How far beyond our stream window a peer may be that does not know our settings yet. */
  #slack: number
  /** The stream of the DATA frame being received; undefined when its payload is dropped. */
  #current: LiveStream | undefined
  #pieces = 0

  constructor(streams: StreamTable, events: ConnectionEvents, options: IncomingOptions) {
    const { limits, local, clock } = options
    const now = () => clock.monotonic()
    this.#streams = streams
    this.#events = events
    this.#options = options
    this.#rules = options.rules
    this.#block = new HeaderBlock(limits)
    this.#decoder = new HpackDecoder({
      tableSize: local.headerTableSize,
      maxListBytes: limits.headerListBytes,
      maxPairs: limits.headerPairs,
      remembers: options.dialect === 'h2',
    })
    this.#resets = new EventLimit(limits.resets, now)
    this.#emptyData = new EventLimit(limits.emptyData, now)
    this.#windowUpdates = new EventLimit(limits.windowUpdates, now)
    this.#slack = Math.max(0, defaultWindow - local.initialWindowSize)
  }

  /** The highest stream the peer has opened. */
  get lastPeerId(): number {
    return this.#lastPeerId
  }

  /** Remembers that this side opened a stream. */
  opened(streamId: number): void {
    this.#lastOwnId = streamId
  }

  violation(code: number, reason: string): void {
    this.#events.violation(code, reason)
  }

  dataBegins(streamId: number, length: number): void {
    this.#pieces = 0
    this.#current = undefined
    if (!this.#streams.take(length)) return this.violation(h2Error.flowControl, 'the connection window was exceeded')
    const stream = this.#streams.get(streamId)
    if (stream === undefined) return this.#expectAbsence(streamId, true)
    if (stream.remoteEnded) return this.#blame(stream, h2Error.streamClosed, 'DATA after the end of the stream')
    if (!stream.headSeen) return this.#blame(stream, h2Error.protocol, 'DATA before the response')
    if (stream.receiveWindow.take(length) < -this.#slack) {
      return this.#blame(stream, h2Error.flowControl, 'the stream window was exceeded')
    }
    this.#current = stream
  }

  dataPiece(piece: Buffer): void {
    const stream = this.#current
    this.#pieces += 1
    if (stream === undefined || stream.gone) return this.#streams.discard(piece.length)
    if (stream.expected >= 0) {
      stream.expected -= piece.length
      if (stream.expected < 0) {
        this.#streams.discard(piece.length)
        return this.#blame(stream, h2Error.protocol, 'more payload than its content-length')
      }
    }
    stream.outstanding += piece.length
    stream.moved = true
    stream.moves += 1
    if (stream.onData === undefined) this.#streams.giveBack(stream, piece.length)
    else stream.onData(piece)
  }

  dataPadding(bytes: number): void {
    this.#streams.discard(bytes)
    if (this.#current !== undefined) this.#streams.giveStream(this.#current, bytes)
  }

  dataEnds(endStream: boolean): void {
    if (this.#pieces === 0 && !endStream && this.#emptyData.exceeded()) {
      return this.violation(h2Error.enhanceYourCalm, 'too many DATA frames without data')
    }
    const stream = this.#current
    if (endStream && stream !== undefined && !stream.gone) this.#remoteEnd(stream)
  }

  frame(type: number, flags: number, streamId: number, payload: Buffer): void {
    switch (type) {
      case frameType.headers:
        return this.#blockPart(this.#block.begin(flags, streamId, payload))
      case frameType.continuation:
        return this.#blockPart(this.#block.resume(flags, payload))
      case frameType.windowUpdate:
        return this.#windowUpdate(streamId, readUint31(payload, 0))
      case frameType.rstStream:
        return this.#reset(streamId, readUint32(payload, 0))
      case frameType.settings:
        return (flags & flag.ack) === 0 ? this.#events.settingsReceived(payload) : this.#settingsAcknowledged()
      case frameType.ping:
        return (flags & flag.ack) === 0 ? this.#events.pingReceived(payload) : this.#events.pingAnswered(payload)
      case frameType.goaway:
        return this.#events.goawayReceived(readUint31(payload, 0), readUint32(payload, 4))
    }
  }

  #settingsAcknowledged(): void {
    this.#slack = 0
    this.#decoder.settingsAcknowledged()
    this.#events.settingsAcknowledged()
  }

  #windowUpdate(streamId: number, increment: number): void {
    const { sender } = this.#streams
    this.#windowUpdates.credit((sender.frames - this.#creditedFrames) * 2)
    this.#creditedFrames = sender.frames
    if (this.#windowUpdates.exceeded()) return this.violation(h2Error.enhanceYourCalm, 'too many window updates')
    if (streamId === 0) {
      if (increment === 0) return this.violation(h2Error.protocol, 'a window update of zero')
      if (!sender.connectionWindow(increment)) this.violation(h2Error.flowControl, 'the connection window overflowed')
      return
    }
    const stream = this.#streams.get(streamId)
    if (stream === undefined) return this.#expectAbsence(streamId, false)
    if (increment === 0) return this.#blame(stream, h2Error.protocol, 'a window update of zero')
    if (!sender.streamWindow(stream, increment)) {
      this.#blame(stream, h2Error.flowControl, 'the stream window overflowed')
    }
  }

  #reset(streamId: number, code: number): void {
    const stream = this.#streams.get(streamId)
    if (stream === undefined) return this.#expectAbsence(streamId, false)
    const premature = this.#options.role === 'server' && !(stream.answered && stream.moved)
    this.#streams.drop(stream, code, 'reset by the peer')
    if (premature) this.#countReset()
  }

  #blockPart(block: Buffer | BlockProblem | undefined): void {
    if (block === undefined) return
    if (!Buffer.isBuffer(block)) return this.violation(block.code, block.reason)
    const headers = this.#decoder.decode(block)
    if (headers === 'invalid') return this.violation(h2Error.compression, 'a header block cannot be decoded')
    const { streamId, endStream } = this.#block
    const stream = this.#streams.get(streamId)
    if (stream !== undefined) {
      if (stream.remoteEnded) return this.#blame(stream, h2Error.streamClosed, 'HEADERS after the end of the stream')
      if (headers === 'oversize') return this.#blame(stream, h2Error.enhanceYourCalm, 'the header list is too large')
      if (stream.headSeen) return this.#trailers(stream, headers, endStream)
      return this.#response(stream, headers, endStream)
    }
    if (this.#options.role === 'server' && streamId % 2 === 1 && streamId > this.#lastPeerId) {
      return this.#request(streamId, headers, endStream)
    }
    this.#expectAbsence(streamId, true)
  }

  #request(streamId: number, headers: string[] | 'oversize', endStream: boolean): void {
    this.#lastPeerId = streamId
    const admission = this.#events.admission(streamId)
    if (admission === 'ignore') {
      this.#streams.refuse(streamId, h2Error.refusedStream)
      return
    }
    if (admission === 'refuse') return this.#refuse(streamId, h2Error.refusedStream)
    const application = this.#options.dialect === 'application'
    if (headers === 'oversize') {
      if (application) return this.#answer(streamId, tooLarge, [], endStream)
      return this.#refuse(streamId, h2Error.enhanceYourCalm)
    }
    const refusal = application ? prepareAppRequest(headers, this.#options.scheme) : undefined
    if (refusal !== undefined) return this.#answer(streamId, refusal, headers, endStream)
    const head = checkRequest(headers, this.#rules)
    if (head === undefined || (endStream && head.contentLength > 0)) return this.#refuse(streamId, h2Error.protocol)
    const bytes = this.#decoder.listBytes
    if (this.#streams.heldHeaders + bytes > this.#options.limits.heldHeaderBytes) {
      return this.#refuse(streamId, h2Error.refusedStream)
    }
    const stream = this.#streams.add(streamId)
    this.#streams.holdHeaders(stream, bytes)
    stream.headSeen = true
    stream.tunnel = head.connect
    stream.upgrades = asksForUpgrade(headers, this.#rules)
    stream.expected = head.contentLength
    stream.remoteEnded = endStream
    this.#events.streamOpened(stream, headers, endStream)
  }

  /** Refuses a request in HTTP's own terms, where its framing is sound. */
  #answer(streamId: number, refusal: Refusal, headers: HeaderList, endStream: boolean): void {
    const stream = this.#streams.add(streamId)
    stream.headSeen = true
    stream.remoteEnded = endStream
    this.#streams.answer(stream, [':status', refusal.status, 'content-length', '0'])
    this.#events.requestRefused(refusal, headers)
  }

  #response(stream: LiveStream, headers: HeaderList, endStream: boolean): void {
    const head = checkResponse(headers, this.#rules)
    const switches = head !== undefined && head.status === 101
    const interim = head !== undefined && head.status < 200 && !switches
    if (head === undefined || (interim && endStream) || (switches && !stream.upgrades)) {
      return this.#blame(stream, h2Error.protocol, 'the response is malformed')
    }
    if (!interim) {
      stream.headSeen = true
      stream.tunnel = switches || (stream.sentConnect && head.status < 300)
      const bodiless =
        stream.sentHead || stream.tunnel || stream.sentConnect || head.status === 204 || head.status === 304
      stream.expected = bodiless ? -1 : head.contentLength
      if (endStream && stream.expected > 0) {
        return this.#blame(stream, h2Error.protocol, 'less payload than its content-length')
      }
    }
    this.#deliver(stream, headers, endStream)
  }

  #trailers(stream: LiveStream, headers: HeaderList, endStream: boolean): void {
    if (!endStream || stream.tunnel || !checkTrailers(headers, this.#rules)) {
      return this.#blame(stream, h2Error.protocol, 'the trailers are malformed')
    }
    if (stream.expected > 0) return this.#blame(stream, h2Error.protocol, 'less payload than its content-length')
    this.#deliver(stream, headers, true)
  }

  #deliver(stream: LiveStream, headers: HeaderList, endStream: boolean): void {
    stream.moves += 1
    stream.onHeaders?.(headers, endStream)
    if (endStream && !stream.gone) this.#streams.remoteEnd(stream)
  }

  #remoteEnd(stream: LiveStream): void {
    if (stream.expected > 0) return this.#blame(stream, h2Error.protocol, 'less payload than its content-length')
    this.#streams.remoteEnd(stream)
  }

  /** A frame for a stream that is not in the table: fine for some, an offence for others. */
  #expectAbsence(streamId: number, carriesContent: boolean): void {
    const absent = this.#absent(streamId)
    if (absent === 'idle') return this.violation(h2Error.protocol, 'a frame on a stream that was never opened')
    if (absent === 'closed' && carriesContent) this.violation(h2Error.streamClosed, 'a frame on a closed stream')
  }

  #absent(streamId: number): Absent {
    const own = streamId % 2 === (this.#options.role === 'client' ? 1 : 0)
    if (streamId > (own ? this.#lastOwnId : this.#lastPeerId)) return 'idle'
    return this.#streams.wasReset(streamId) ? 'reset' : 'closed'
  }

  #refuse(streamId: number, code: number): void {
    this.#streams.refuse(streamId, code)
    this.#countReset()
  }

  /** Resets a stream the peer misused. */
  #blame(stream: LiveStream, code: number, reason: string): void {
    this.#streams.resetFor(stream, code, reason)
    this.#countReset()
  }

  #countReset(): void {
    if (this.#resets.exceeded()) this.violation(h2Error.enhanceYourCalm, 'too many streams were given up')
  }
}
