import { defaultMaxFrameSize, defaultWindow, maxWindow } from './frames.ts'
import type { LiveStream } from './live-stream.ts'
import type { FrameWriter } from './writer.ts'

/** What one stream may send before the next one has its turn. */
const turnBytes = 65_536

/**
 * Sends payload as the peer's windows and the socket permit (RFC 9113 section 5.2). What cannot go at once stays with
 * its stream, by reference; streams that could go on take turns. A stream whose own window is closed is not in the
 * rotation, so it holds up nobody.
 */
export class StreamSender {
  /** The largest DATA payload the peer takes. */
  maxFrameSize = defaultMaxFrameSize
  /** DATA frames sent so far. */
  frames = 0
  readonly #writer: FrameWriter
  readonly #onFinished: (stream: LiveStream) => void
  #window = defaultWindow
  #queued = 0
  #head: LiveStream | undefined
  #tail: LiveStream | undefined
  #pumping = false

  /** `onFinished` is called when all payload of an ending stream was sent: it writes the end. */
  constructor(writer: FrameWriter, onFinished: (stream: LiveStream) => void) {
    this.#writer = writer
    this.#onFinished = onFinished
  }

  /** Payload bytes that wait, of all streams. */
  get queued(): number {
    return this.#queued
  }

  /** Drops what waits on a stream. */
  clear(stream: LiveStream): void {
    for (const chunk of stream.queue) this.#queued -= chunk.length
    if (stream.queue.length > 0) this.#queued += stream.queueOffset
    stream.queue.length = 0
    stream.queueOffset = 0
  }

  /** Sends a chunk or keeps it; false when something of it waits. */
  write(stream: LiveStream, chunk: Buffer): boolean {
    const size = chunk.length
    if (size === 0) return stream.queue.length === 0
    if (
      this.#head === undefined &&
      stream.queue.length === 0 &&
      size <= stream.sendWindow &&
      size <= this.#window &&
      size <= this.maxFrameSize &&
      this.#writer.room(size) === size
    ) {
      this.#send(stream, chunk, 0, size)
      return true
    }
    stream.queue.push(chunk)
    this.#queued += size
    this.#enqueue(stream)
    this.pump()
    stream.wantsDrain = stream.queue.length > 0
    return !stream.wantsDrain
  }

  /** The peer opened a stream's window; false when it is larger than a window may be. */
  streamWindow(stream: LiveStream, increment: number): boolean {
    stream.sendWindow += increment
    if (stream.sendWindow > maxWindow) return false
    if (stream.queue.length > 0) {
      this.#enqueue(stream)
      this.pump()
    }
    return true
  }

  /** The peer opened the connection's window; false when it is larger than a window may be. */
  connectionWindow(increment: number): boolean {
    this.#window += increment
    if (this.#window > maxWindow) return false
    this.pump()
    return true
  }

  /** Lets waiting streams send in turn until the connection's window or the socket has no more room. */
  pump(): void {
    if (this.#pumping) return
    this.#pumping = true
    for (let stream = this.#head; stream !== undefined; stream = this.#head) {
      const size = stream.queue.length === 0 || stream.sendWindow <= 0 ? 0 : this.#nextSize(stream)
      if (size === 0 && stream.queue.length > 0 && stream.sendWindow > 0) break
      this.#shift(stream)
      if (size > 0) this.#sendQueued(stream, size)
    }
    this.#pumping = false
  }

  #nextSize(stream: LiveStream): number {
    const left = (stream.queue[0]?.length ?? 0) - stream.queueOffset
    const permitted = Math.min(left, stream.sendWindow, this.#window, this.maxFrameSize, turnBytes)
    return permitted <= 0 ? 0 : this.#writer.room(permitted)
  }

  #sendQueued(stream: LiveStream, size: number): void {
    const chunk = stream.queue[0]
    if (chunk === undefined) return
    const start = stream.queueOffset
    this.#send(stream, chunk, start, start + size)
    this.#queued -= size
    if (start + size < chunk.length) {
      stream.queueOffset = start + size
    } else {
      stream.queue.shift()
      stream.queueOffset = 0
    }
    if (stream.queue.length > 0) {
      if (stream.sendWindow > 0) this.#enqueue(stream)
      return
    }
    if (stream.ending) {
      this.#onFinished(stream)
    } else if (stream.wantsDrain) {
      stream.wantsDrain = false
      stream.onDrain?.()
    }
  }

  #send(stream: LiveStream, chunk: Buffer, start: number, end: number): void {
    this.#writer.data(stream.id, chunk, start, end, false)
    this.frames += 1
    stream.sendWindow -= end - start
    this.#window -= end - start
    stream.moved = true
    stream.moves += 1
    stream.sent += end - start
  }

  #enqueue(stream: LiveStream): void {
    if (stream.ready) return
    stream.ready = true
    stream.next = undefined
    if (this.#tail === undefined) this.#head = stream
    else this.#tail.next = stream
    this.#tail = stream
  }

  #shift(stream: LiveStream): void {
    this.#head = stream.next
    if (this.#head === undefined) this.#tail = undefined
    stream.next = undefined
    stream.ready = false
  }
}
