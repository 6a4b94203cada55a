import { HeadLines } from './head-lines.ts'
import type { Http1Limits } from './limits.ts'
import { cr, hexValues, lf, requestNameOctets, valueOctets } from './octets.ts'
import type { ViolationCode } from './violations.ts'

/** How the end of a message is found (RFC 9112 section 6.3). */
export type Framing = 'none' | 'length' | 'chunked' | 'close'

/** Who takes a body; every call may end the exchange. */
export interface BodySink {
  bodyData(chunk: Buffer): void
  /** The message is complete; what is left of the trailers, as names and values. */
  bodyEnd(trailers: HeadLines | undefined): void
  bodyProblem(code: ViolationCode): void
}

/** More digits could not be counted exactly. */
const maxSizeDigits = 12
const semicolon = 0x3b
const zero = 0x30

type State = 'size' | 'extension' | 'size-end' | 'data' | 'data-end' | 'data-end-lf' | 'trailers'

/**
 * Takes the body of one message after another out of what is read, chunk framing removed. Payload is handed on as it
 * comes, without being copied.
 */
export class IncomingBody {
  readonly #sink: BodySink
  readonly #limits: Http1Limits
  #framing: Framing = 'none'
  /** Payload bytes still to come, of the body or of the current chunk. */
  #left = 0
  #state: State = 'size'
  #digits = 0
  #zeros = 0
  #extensionBytes = 0
  #trailers: HeadLines | undefined
  #partial: Buffer | undefined

  constructor(sink: BodySink, limits: Http1Limits) {
    this.#sink = sink
    this.#limits = limits
  }

  /** A body is being read. */
  get active(): boolean {
    return this.#framing !== 'none'
  }

  /** Bytes that are known to come: of a body of known length all, else 0. */
  get left(): number {
    return this.#framing === 'length' ? this.#left : 0
  }

  /** Begins a body that is not empty. */
  start(framing: Framing, length: number): void {
    this.#framing = framing
    this.#left = framing === 'length' ? length : 0
    this.#extensionBytes = 0
    this.#beginSize()
  }

  /** Nothing more is wanted of the body. */
  stop(): void {
    this.#framing = 'none'
    this.#partial = undefined
  }

  /** The peer has closed its side: whether that is how the body ends. */
  closed(): boolean {
    if (this.#framing !== 'close') return false
    this.#framing = 'none'
    this.#sink.bodyEnd(undefined)
    return true
  }

  /** Takes what belongs to the body of `bytes` from `at` on; returns where the rest begins. */
  push(bytes: Buffer, at: number): number {
    if (this.#framing === 'chunked') return this.#pushChunked(bytes, at)
    if (this.#framing === 'close') {
      this.#sink.bodyData(at === 0 ? bytes : bytes.subarray(at))
      return bytes.length
    }
    const end = Math.min(bytes.length, at + this.#left)
    this.#left -= end - at
    const last = this.#left === 0
    this.#sink.bodyData(at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end))
    if (last && this.#framing === 'length') {
      this.#framing = 'none'
      this.#sink.bodyEnd(undefined)
    }
    return end
  }

  #pushChunked(bytes: Buffer, from: number): number {
    let at = from
    while (at < bytes.length && this.#framing === 'chunked') {
      if (this.#state === 'data') {
        const end = Math.min(bytes.length, at + this.#left)
        this.#left -= end - at
        if (this.#left === 0) this.#state = 'data-end'
        const chunk = bytes.subarray(at, end)
        at = end
        this.#sink.bodyData(chunk)
      } else if (this.#state === 'trailers') {
        at = this.#readTrailers(bytes, at)
      } else {
        const problem = this.#step(bytes[at] ?? 0)
        at += 1
        if (problem !== undefined) this.#fail(problem)
      }
    }
    return at
  }

  /** One octet of the framing. */
  #step(octet: number): ViolationCode | undefined {
    switch (this.#state) {
      case 'size':
        return this.#sizeOctet(octet)
      case 'extension':
        if (octet === cr) this.#state = 'size-end'
        else if (valueOctets[octet] !== 1) return 'chunk-extension'
        return this.#countExtension()
      case 'size-end':
        if (octet !== lf) return 'chunk-size'
        this.#state = this.#left > 0 ? 'data' : 'trailers'
        return undefined
      case 'data-end':
        this.#state = 'data-end-lf'
        return octet === cr ? undefined : 'chunk-end'
      default:
        this.#beginSize()
        return octet === lf ? undefined : 'chunk-end'
    }
  }

  #sizeOctet(octet: number): ViolationCode | undefined {
    const value = hexValues[octet] ?? 255
    if (value !== 255) {
      if (octet === zero && this.#digits === 0) {
        this.#zeros += 1
        return this.#countExtension()
      }
      this.#digits += 1
      this.#left = this.#left * 16 + value
      return this.#digits > maxSizeDigits ? 'chunk-size' : undefined
    }
    if (this.#digits + this.#zeros === 0) return 'chunk-size'
    // a first zero of a size is none too many
    if (this.#zeros > 0) this.#extensionBytes -= 1
    if (octet === cr) this.#state = 'size-end'
    else if (octet === semicolon) this.#state = 'extension'
    else return 'chunk-size'
    return undefined
  }

  #countExtension(): ViolationCode | undefined {
    this.#extensionBytes += 1
    return this.#extensionBytes > this.#limits.chunkExtensionBytes ? 'chunk-extension' : undefined
  }

  #beginSize(): void {
    this.#state = 'size'
    this.#digits = 0
    this.#zeros = 0
    if (this.#framing === 'chunked') this.#left = 0
  }

  #readTrailers(bytes: Buffer, at: number): number {
    if (this.#partial === undefined && bytes[at] === cr && bytes[at + 1] === lf) {
      this.#finish(undefined)
      return at + 2
    }
    const before = this.#partial?.length ?? 0
    const section =
      this.#partial === undefined ? bytes.subarray(at) : Buffer.concat([this.#partial, bytes.subarray(at)])
    this.#trailers ??= new HeadLines({ ...this.#limits, headBytes: this.#limits.trailerBytes }, requestNameOctets)
    const result = this.#trailers.read(section, 0)
    if (result === 'incomplete') {
      this.#partial = Buffer.from(section)
      if (section.length > this.#limits.trailerBytes) this.#fail('trailers')
      return bytes.length
    }
    if (result !== 'complete') {
      this.#fail('trailers')
      return bytes.length
    }
    this.#partial = undefined
    const next = at + this.#trailers.end - before
    this.#finish(this.#trailers.count > 0 ? this.#trailers : undefined)
    return next
  }

  #finish(trailers: HeadLines | undefined): void {
    this.#framing = 'none'
    this.#sink.bodyEnd(trailers)
  }

  #fail(code: ViolationCode): void {
    this.stop()
    this.#sink.bodyProblem(code)
  }
}
