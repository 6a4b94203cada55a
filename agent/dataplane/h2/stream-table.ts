import { flag, frameType, h2Error } from './frames.ts'
import type { HeaderEncoder } from './hpack/header-encoder.ts'
import type { H2Limits } from './limits.ts'
import { LiveStream, type StreamHost } from './live-stream.ts'
import { OpenStreams } from './open-streams.ts'
import { ReceiveWindow } from './receive-window.ts'
import { StreamSender } from './sender.ts'
import type { LocalSettings, PeerSettings } from './settings.ts'
import type { HeaderList } from './stream.ts'
import type { FrameWriter } from './writer.ts'

/** Streams reset by us that the peer may not know about yet: later frames on them are no offence. */
const rememberedResets = 256

/**
 * The open streams of a connection and everything that goes out on them. Incoming frames are judged elsewhere; this
 * part is told the verdict.
 */
export class StreamTable implements StreamHost {
  readonly #writer: FrameWriter
  readonly #sender: StreamSender
  readonly #encoder: HeaderEncoder
  readonly #open = new OpenStreams()
  readonly #resets = new Set<number>()
  readonly #local: LocalSettings
  readonly #peer: PeerSettings
  readonly #receiveWindow: ReceiveWindow
  readonly #onForgotten: () => void
  readonly #maxQueued: number
  #heldHeaders = 0
  #forgottenResets = 0
  #closed = false

  /** `onForgotten` is called each time a stream has come to its end, whatever that was. */
  constructor(
    writer: FrameWriter,
    encoder: HeaderEncoder,
    local: LocalSettings,
    peer: PeerSettings,
    limits: H2Limits,
    onForgotten: () => void,
  ) {
    this.#maxQueued = limits.queuedBytes
    this.#writer = writer
    this.#encoder = encoder
    this.#local = local
    this.#peer = peer
    this.#onForgotten = onForgotten
    this.#sender = new StreamSender(writer, stream => this.#finish(stream))
    this.#receiveWindow = new ReceiveWindow(local.connectionWindow)
  }

  get size(): number {
    return this.#open.size
  }

  /** Bytes of the header lists of all open requests. */
  get heldHeaders(): number {
    return this.#heldHeaders
  }

  values(): Iterable<LiveStream> {
    return this.#open.all()
  }

  get sender(): StreamSender {
    return this.#sender
  }

  get(id: number): LiveStream | undefined {
    return this.#open.get(id)
  }

  /** Counts a request's header list as long as its stream is open. */
  holdHeaders(stream: LiveStream, bytes: number): void {
    stream.headerBytes = bytes
    this.#heldHeaders += bytes
  }

  /** Answers a request without its owner, and asks for no more of it: RFC 9113 section 8.1. */
  answer(stream: LiveStream, headers: HeaderList): void {
    this.sendHeaders(stream, headers, true)
    if (!stream.gone) this.resetFor(stream, h2Error.noError, 'answered')
  }

  /** Makes a stream known under an id that is new. */
  add(id: number): LiveStream {
    const stream = new LiveStream(this, id, this.#peer.initialWindowSize, this.#local.initialWindowSize)
    this.#open.add(stream)
    return stream
  }

  /** Whether we may have reset this stream, so that the peer's frames on it were under way. */
  wasReset(id: number): boolean {
    return id <= this.#forgottenResets || this.#resets.has(id)
  }

  /** Accounts for incoming DATA on the connection; false when the peer sent more than it may. */
  take(bytes: number): boolean {
    return this.#receiveWindow.take(bytes) >= 0
  }

  /** Gives connection window back for bytes nobody will consume. */
  discard(bytes: number): void {
    if (bytes === 0 || this.#closed) return
    const increment = this.#receiveWindow.give(bytes)
    if (increment > 0) this.#writer.numberFrame(frameType.windowUpdate, 0, increment)
  }

  giveBack(stream: LiveStream, bytes: number): void {
    const given = Math.min(bytes, stream.outstanding)
    if (given <= 0) return
    stream.outstanding -= given
    this.discard(given)
    this.giveStream(stream, given)
  }

  /** Gives only the stream's window back. */
  giveStream(stream: LiveStream, bytes: number): void {
    if (stream.gone || stream.remoteEnded) return
    const increment = stream.receiveWindow.give(bytes)
    if (increment > 0) this.#writer.numberFrame(frameType.windowUpdate, stream.id, increment)
  }

  send(stream: LiveStream, chunk: Buffer): boolean {
    if (stream.gone || stream.ending) return false
    if (this.#sender.write(stream, chunk)) return true
    if (this.#sender.queued > this.#maxQueued) {
      this.resetFor(stream, h2Error.enhanceYourCalm, 'too much waits for the peer')
    }
    return false
  }

  sendHeaders(stream: LiveStream, headers: HeaderList, endStream: boolean): void {
    if (stream.gone || stream.ending) return
    stream.answered = true
    stream.moves += 1
    if (stream.upgrades && headers[0] === ':status' && headers[1] === '101') {
      // granted: what follows is data and nothing else, whatever length the request declared
      stream.tunnel = true
      stream.expected = -1
    }
    if (endStream) this.endSending(stream, headers)
    else this.#writeHeaders(stream.id, headers, false)
  }

  endSending(stream: LiveStream, trailers: HeaderList | undefined): void {
    if (stream.gone || stream.ending) return
    stream.ending = true
    stream.trailers = trailers
    if (stream.queue.length === 0) this.#finish(stream)
  }

  resetLocally(stream: LiveStream, code: number): void {
    this.resetFor(stream, code, 'reset by this side')
  }

  /** Resets a stream because of what its user or the peer did. */
  resetFor(stream: LiveStream, code: number, reason: string): void {
    if (!stream.gone) this.refuse(stream.id, code)
    this.drop(stream, code, reason)
  }

  /** RST_STREAM for a stream that is, or is not, in the table. */
  refuse(id: number, code: number): void {
    this.#writer.numberFrame(frameType.rstStream, id, code)
    this.#resets.add(id)
    if (this.#resets.size <= rememberedResets) return
    for (const oldest of this.#resets) {
      this.#resets.delete(oldest)
      this.#forgottenResets = Math.max(this.#forgottenResets, oldest)
      break
    }
  }

  /** The stream is over early: its user is told, what it had to send is dropped, its window returns. */
  drop(stream: LiveStream, code: number, reason: string): void {
    const outstanding = stream.outstanding
    stream.outstanding = 0
    this.discard(outstanding)
    if (stream.gone) return
    this.#sender.clear(stream)
    this.#forget(stream)
    const { onReset } = stream
    stream.onReset = undefined
    onReset?.(code, reason)
  }

  /** The peer has ended its side. */
  remoteEnd(stream: LiveStream): void {
    stream.remoteEnded = true
    if (stream.localEnded) this.#forget(stream)
    stream.onEnd?.()
  }

  /** The peer changed the window streams start with; false when one becomes larger than a window may be. */
  adjustWindows(difference: number): boolean {
    for (const stream of this.#open.all()) {
      if (!this.#sender.streamWindow(stream, difference)) return false
    }
    return true
  }

  /** The peer will not handle streams of ours beyond `lastId`. */
  dropBeyond(lastId: number, reason: string): void {
    for (const stream of this.#open.all()) {
      if (stream.id > lastId) this.drop(stream, h2Error.refusedStream, reason)
    }
  }

  /** One more look at the streams of ours that wait for their response; how many looks the oldest of them has seen. */
  lookAtUnanswered(): number {
    let most = 0
    for (const stream of this.#open.all()) {
      if (stream.headSeen || stream.sentConnect) continue
      stream.looks += 1
      if (stream.looks > most) most = stream.looks
    }
    return most
  }

  /** Gives up those that have seen at least so many looks; their users are told `code`. */
  giveUpUnanswered(looks: number, code: number, reason: string): void {
    for (const stream of this.#open.all()) {
      if (stream.headSeen || stream.sentConnect || stream.looks < looks) continue
      this.refuse(stream.id, h2Error.cancel)
      this.drop(stream, code, reason)
    }
  }

  /** The connection is over. */
  close(code: number, reason: string): void {
    this.#closed = true
    for (const stream of this.#open.all()) this.drop(stream, code, reason)
  }

  /** Sends a HEADERS frame and, when the peer's frames are small, its CONTINUATION frames. */
  #writeHeaders(id: number, headers: HeaderList, endStream: boolean): void {
    const block = this.#encoder.encode(headers)
    const max = this.#peer.maxFrameSize
    let type: number = frameType.headers
    let flags = endStream ? flag.endStream : 0
    for (let at = 0; ; at += max) {
      const end = Math.min(block.length, at + max)
      if (end === block.length) flags |= flag.endHeaders
      this.#writer.frame(type, flags, id, block, at, end)
      if (end === block.length) return
      type = frameType.continuation
      flags = 0
    }
  }

  #finish(stream: LiveStream): void {
    if (stream.gone || stream.localEnded) return
    if (stream.trailers === undefined) this.#writer.endStream(stream.id)
    else this.#writeHeaders(stream.id, stream.trailers, true)
    stream.trailers = undefined
    stream.localEnded = true
    if (stream.remoteEnded) this.#forget(stream)
  }

  #forget(stream: LiveStream): void {
    stream.gone = true
    this.#heldHeaders -= stream.headerBytes
    this.#open.delete(stream)
    this.#onForgotten()
  }
}
