import { clientPreface, flag, frameHeaderBytes, frameType, h2Error, readUint31 } from './frames.ts'

/**
 * What the reader tells the connection. Buffers are views into what the socket delivered: valid only during the call,
 * or as long as the receiver of a DATA piece keeps them.
 */
export interface FrameSink {
  /** A DATA frame begins; `length` counts its padding. Its pieces follow. */
  dataBegins(streamId: number, length: number): void
  /** Some payload of the DATA frame that began last. */
  dataPiece(piece: Buffer): void
  /** Padding and its length byte: it counts for flow control and goes nowhere. */
  dataPadding(bytes: number): void
  dataEnds(endStream: boolean): void
  /** Any other frame, whole. */
  frame(type: number, flags: number, streamId: number, payload: Buffer): void
  /** The peer broke the framing; the connection must end. */
  violation(code: number, reason: string): void
}

export interface FrameReaderOptions {
  /** What we advertise as SETTINGS_MAX_FRAME_SIZE. */
  readonly maxFrameSize: number
  /** HEADERS and CONTINUATION frames are gathered up to this size. */
  readonly headerBlockBytes: number
  /** A server expects the client's preface first. */
  readonly expectsPreface: boolean
  /** The first frame must be SETTINGS, RFC 9113 section 3.4. */
  readonly expectsSettings: boolean
}

const mode = { preface: 0, header: 1, padLength: 2, data: 3, padding: 4, gather: 5, skip: 6, stopped: 7 } as const
type Mode = (typeof mode)[keyof typeof mode]

/** Room for the pad length and the priority fields of a HEADERS frame. */
const headersOverhead = 6 + 255
const maxSettingsBytes = 6 * 64
const maxGoawayBytes = 8 + 16_384
const nothing = Buffer.alloc(0)

/**
 * Cuts the incoming bytes into frames (RFC 9113 section 4), whatever the pieces they arrive in. DATA payload is handed
 * on at once and never gathered; other frames are gathered within bounds and checked for what can be told from their
 * header alone.
 */
export class FrameReader {
  readonly #sink: FrameSink
  readonly #options: FrameReaderOptions
  #mode: Mode
  /** The frame header or preface as far as it came, when the socket cut it. */
  readonly #head = Buffer.allocUnsafe(frameHeaderBytes)
  #headBytes = 0
  #prefaceBytes = 0
  #type = 0
  #flags = 0
  #streamId = 0
  /** Payload bytes of the current frame that are still to come, without padding. */
  #left = 0
  #padding = 0
  #gathered: Buffer = nothing
  #gatheredBytes = 0
  /** The stream whose header block must be continued, or 0. */
  #continues = 0
  #expectsSettings: boolean

  constructor(sink: FrameSink, options: FrameReaderOptions) {
    this.#sink = sink
    this.#options = options
    this.#mode = options.expectsPreface ? mode.preface : mode.header
    this.#expectsSettings = options.expectsSettings
  }

  /** True while the peer owes the rest of the preface, of a frame that must be whole, or of a header block. */
  get waitsForRest(): boolean {
    return this.#mode === mode.gather || this.#continues !== 0
  }

  /** Ignores everything from now on; may be called from within a sink's call. */
  stop(): void {
    this.#mode = mode.stopped
    this.#gathered = nothing
  }

  /** Takes what the socket delivered. */
  push(chunk: Buffer): void {
    const end = chunk.length
    let at = this.#mode === mode.preface ? this.#readPreface(chunk) : 0
    while (at < end) {
      switch (this.#mode) {
        case mode.header:
          at = this.#readHeader(chunk, at)
          break
        case mode.padLength:
          at = this.#readPadLength(chunk, at)
          break
        case mode.data:
          at = this.#readData(chunk, at)
          break
        case mode.gather:
          at = this.#gather(chunk, at)
          break
        case mode.padding:
        case mode.skip:
          at = this.#skip(end, at)
          break
        default:
          return
      }
    }
  }

  #readPreface(chunk: Buffer): number {
    const size = Math.min(chunk.length, clientPreface.length - this.#prefaceBytes)
    for (let at = 0; at < size; at += 1) {
      if (chunk[at] !== clientPreface.charCodeAt(this.#prefaceBytes + at)) {
        this.#fail(h2Error.protocol, 'the client preface is missing')
        return 0
      }
    }
    this.#prefaceBytes += size
    if (this.#prefaceBytes === clientPreface.length) this.#mode = mode.header
    return size
  }

  #readHeader(chunk: Buffer, at: number): number {
    if (this.#headBytes === 0 && chunk.length - at >= frameHeaderBytes) {
      this.#begin(chunk, at)
      return at + frameHeaderBytes
    }
    const size = Math.min(frameHeaderBytes - this.#headBytes, chunk.length - at)
    chunk.copy(this.#head, this.#headBytes, at, at + size)
    this.#headBytes += size
    if (this.#headBytes === frameHeaderBytes) {
      this.#headBytes = 0
      this.#begin(this.#head, 0)
    }
    return at + size
  }

  #begin(head: Buffer, at: number): void {
    const length = ((head[at] ?? 0) << 16) | ((head[at + 1] ?? 0) << 8) | (head[at + 2] ?? 0)
    const type = head[at + 3] ?? 0
    const flags = head[at + 4] ?? 0
    const streamId = readUint31(head, at + 5)
    this.#type = type
    this.#flags = flags
    this.#streamId = streamId
    this.#left = length
    if (length > this.#options.maxFrameSize) return this.#fail(h2Error.frameSize, 'a frame is larger than allowed')
    if (this.#expectsSettings) {
      if (type !== frameType.settings || (flags & flag.ack) !== 0) {
        return this.#fail(h2Error.protocol, 'the first frame is not SETTINGS')
      }
      this.#expectsSettings = false
    }
    if (this.#continues !== 0 && (type !== frameType.continuation || streamId !== this.#continues)) {
      return this.#fail(h2Error.protocol, 'a header block was interrupted')
    }
    if (type === frameType.data) return this.#beginData(length)
    const problem = this.#checkShape(length)
    if (problem !== undefined) return this.#fail(problem.code, problem.reason)
    if (type === frameType.headers && (flags & flag.endHeaders) === 0) this.#continues = streamId
    if (type === frameType.continuation && (flags & flag.endHeaders) !== 0) this.#continues = 0
    if (type === frameType.priority || type > frameType.continuation) {
      this.#mode = length === 0 ? mode.header : mode.skip
      return
    }
    this.#gatheredBytes = 0
    if (length === 0) this.#sink.frame(type, flags, streamId, nothing)
    else this.#mode = mode.gather
  }

  #beginData(length: number): void {
    if (this.#streamId === 0) return this.#fail(h2Error.protocol, 'DATA belongs to a stream')
    const padded = (this.#flags & flag.padded) !== 0
    if (padded && length === 0) return this.#fail(h2Error.frameSize, 'a padded frame has no pad length')
    this.#padding = 0
    this.#mode = padded ? mode.padLength : mode.data
    this.#sink.dataBegins(this.#streamId, length)
    if (length === 0) this.#endData()
  }

  #readPadLength(chunk: Buffer, at: number): number {
    this.#padding = chunk[at] ?? 0
    this.#left -= 1
    if (this.#padding > this.#left) {
      this.#fail(h2Error.protocol, 'the padding is longer than its frame')
      return chunk.length
    }
    this.#left -= this.#padding
    this.#mode = mode.data
    this.#sink.dataPadding(1 + this.#padding)
    if (this.#left === 0) this.#endPayload()
    return at + 1
  }

  #readData(chunk: Buffer, at: number): number {
    const size = Math.min(this.#left, chunk.length - at)
    this.#left -= size
    this.#sink.dataPiece(at === 0 && size === chunk.length ? chunk : chunk.subarray(at, at + size))
    if (this.#left === 0) this.#endPayload()
    return at + size
  }

  #endPayload(): void {
    if (this.#mode === mode.stopped) return
    this.#left = this.#padding
    if (this.#left === 0) this.#endData()
    else this.#mode = mode.padding
  }

  #endData(): void {
    if (this.#mode === mode.stopped) return
    this.#mode = mode.header
    this.#sink.dataEnds((this.#flags & flag.endStream) !== 0)
  }

  #skip(end: number, at: number): number {
    const size = Math.min(this.#left, end - at)
    this.#left -= size
    if (this.#left === 0) {
      if (this.#mode === mode.padding) this.#endData()
      else this.#mode = mode.header
    }
    return at + size
  }

  #gather(chunk: Buffer, at: number): number {
    const size = Math.min(this.#left, chunk.length - at)
    this.#left -= size
    if (this.#gatheredBytes === 0 && this.#left === 0) {
      this.#mode = mode.header
      this.#sink.frame(this.#type, this.#flags, this.#streamId, chunk.subarray(at, at + size))
      return at + size
    }
    if (this.#gatheredBytes === 0) this.#gathered = Buffer.allocUnsafe(size + this.#left)
    chunk.copy(this.#gathered, this.#gatheredBytes, at, at + size)
    this.#gatheredBytes += size
    if (this.#left === 0) {
      const payload = this.#gathered
      this.#gathered = nothing
      this.#mode = mode.header
      this.#sink.frame(this.#type, this.#flags, this.#streamId, payload)
    }
    return at + size
  }

  /** What a frame header alone gives away, RFC 9113 sections 6.2 to 6.10. */
  #checkShape(length: number): { code: number; reason: string } | undefined {
    const onStream = this.#streamId !== 0
    switch (this.#type) {
      case frameType.headers:
        return !onStream
          ? shape.stream
          : length > this.#options.headerBlockBytes + headersOverhead
            ? shape.calm
            : undefined
      case frameType.continuation:
        if (!onStream || this.#continues === 0) return shape.unexpected
        return length > this.#options.headerBlockBytes ? shape.calm : undefined
      case frameType.priority:
        return !onStream ? shape.stream : length !== 5 ? shape.size : undefined
      case frameType.rstStream:
        return !onStream ? shape.stream : length !== 4 ? shape.size : undefined
      case frameType.settings:
        if (onStream) return shape.connection
        if (length % 6 !== 0 || ((this.#flags & flag.ack) !== 0 && length !== 0)) return shape.size
        return length > maxSettingsBytes ? shape.calm : undefined
      case frameType.pushPromise:
        return shape.push
      case frameType.ping:
        return onStream ? shape.connection : length !== 8 ? shape.size : undefined
      case frameType.goaway:
        if (onStream) return shape.connection
        return length < 8 ? shape.size : length > maxGoawayBytes ? shape.calm : undefined
      case frameType.windowUpdate:
        return length !== 4 ? shape.size : undefined
      default:
        return undefined
    }
  }

  #fail(code: number, reason: string): void {
    this.stop()
    this.#sink.violation(code, reason)
  }
}

const shape = {
  stream: { code: h2Error.protocol, reason: 'a stream frame names no stream' },
  connection: { code: h2Error.protocol, reason: 'a connection frame names a stream' },
  size: { code: h2Error.frameSize, reason: 'a frame has the wrong size' },
  calm: { code: h2Error.enhanceYourCalm, reason: 'a frame is larger than it has reason to be' },
  unexpected: { code: h2Error.protocol, reason: 'CONTINUATION continues nothing' },
  push: { code: h2Error.protocol, reason: 'server push was never allowed' },
} as const
