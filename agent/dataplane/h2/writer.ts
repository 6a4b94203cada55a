import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import type { BlockPool } from './blocks.ts'
import { flag, frameHeaderBytes, frameType, writeFrameHeader, writeUint32 } from './frames.ts'

/** A payload up to this size is always copied next to its header: cheaper than one more buffer in the write. */
const copyBytes = 4096
/** Do not cut a payload for less than this. */
const worthCutting = 1024

/**
 * Gathers the frames of one event-loop turn and gives them to the socket in one write. At most one write is under way
 * and at most one more is being gathered, so what a slow peer can make us hold is two blocks and the control frames.
 * TLS copies what it encrypts in any case, and several buffers even twice, so towards TLS every payload is copied into
 * the block; towards a plain socket large ones are passed by reference.
 */
export class FrameWriter {
  readonly #socket: Duplex
  readonly #pool: BlockPool
  readonly #copiesAll: boolean
  /** Plain streams may hand our buffer to someone who keeps it: only the kernel and TLS are known not to. */
  readonly #reuses: boolean
  readonly #onWritten: () => void
  /** The block being filled, from which byte on it is not yet a part, and how far. */
  #block: Buffer | undefined
  #from = 0
  #used = 0
  /** What is gathered before the block's current part, in order, when one part is not enough. */
  #parts: Buffer[] = []
  #blocks: Buffer[] = []
  #gathered = 0
  #inFlight: Buffer[] = []
  #writing = false
  #scheduled = false
  #closed = false
  /** Where the flags of the last DATA frame stand, to add END_STREAM, and whose it is. */
  #lastFlagsAt = -1
  #lastStreamId = 0

  /** `onWritten` is called each time the socket took what it was given: there is room again. */
  constructor(socket: Duplex, pool: BlockPool, onWritten: () => void) {
    this.#socket = socket
    this.#pool = pool
    this.#copiesAll = socket instanceof TLSSocket
    this.#reuses = socket instanceof Socket
    this.#onWritten = onWritten
  }

  /** Bytes gathered that the socket has not been given yet. */
  get gathered(): number {
    return this.#gathered
  }

  /** True while the socket has not taken the last write. */
  get writing(): boolean {
    return this.#writing
  }

  /** How much of a payload of `wanted` bytes a DATA frame can carry now; 0 when it has to wait. */
  room(wanted: number): number {
    const room = this.#pool.blockBytes - this.#gathered - frameHeaderBytes
    if (room >= wanted) return wanted
    return room < worthCutting ? 0 : room
  }

  /** A DATA frame with the payload `chunk[start, end)`, which fits into {@link room}. */
  data(streamId: number, chunk: Buffer, start: number, end: number, endStream: boolean): void {
    const size = end - start
    const byReference = !this.#copiesAll && size > copyBytes
    const block = this.#reserve(byReference ? frameHeaderBytes : frameHeaderBytes + size)
    const at = this.#used
    writeFrameHeader(block, at, size, frameType.data, endStream ? flag.endStream : 0, streamId)
    this.#lastFlagsAt = at + 4
    this.#lastStreamId = streamId
    this.#used += frameHeaderBytes
    this.#gathered += frameHeaderBytes + size
    if (byReference) {
      this.#closePart()
      this.#parts.push(chunk.subarray(start, end))
    } else {
      chunk.copy(block, at + frameHeaderBytes, start, end)
      this.#used += size
    }
  }

  /** Ends our side of a stream: by a flag on its DATA frame when that is the last one gathered, else by an empty one. */
  endStream(streamId: number): void {
    const block = this.#block
    if (block !== undefined && this.#lastStreamId === streamId && this.#lastFlagsAt >= 0) {
      block[this.#lastFlagsAt] = (block[this.#lastFlagsAt] ?? 0) | flag.endStream
      this.#lastStreamId = 0
      return
    }
    this.data(streamId, emptyPayload, 0, 0, true)
  }

  /** A frame of another type with its whole payload, which is copied. */
  frame(type: number, flags: number, streamId: number, payload: Buffer, start = 0, end: number = payload.length): void {
    const at = this.#beginFrame(type, flags, streamId, end - start)
    payload.copy(this.#blockAt(), at, start, end)
  }

  /** A frame whose payload is one number: RST_STREAM or WINDOW_UPDATE. */
  numberFrame(type: number, streamId: number, value: number): void {
    const at = this.#beginFrame(type, 0, streamId, 4)
    writeUint32(this.#blockAt(), at, value)
  }

  /** Bytes that are no frame: the client's preface. */
  raw(text: string): void {
    const block = this.#reserve(text.length)
    block.write(text, this.#used, 'latin1')
    this.#used += text.length
    this.#gathered += text.length
  }

  /** Gives what is gathered to the socket now, unless it is still busy with the last write. */
  flush(): void {
    if (this.#writing || this.#gathered === 0 || this.#closed) return
    this.#writing = true
    this.#gathered = 0
    this.#lastStreamId = 0
    if (this.#parts.length === 0) this.#writeOne()
    else this.#writeMany()
  }

  /** Sends what is left and ends the socket; nothing can be gathered afterwards. */
  end(): void {
    if (this.#closed) return
    this.#closePart()
    this.#closed = true
    for (const part of this.#parts) this.#socket.write(part)
    this.#parts = []
    this.#socket.end()
  }

  /** Drops everything. */
  close(): void {
    this.#closed = true
    this.#parts = []
    this.#blocks = []
    this.#block = undefined
    this.#gathered = 0
  }

  #beginFrame(type: number, flags: number, streamId: number, size: number): number {
    const block = this.#reserve(frameHeaderBytes + size)
    writeFrameHeader(block, this.#used, size, type, flags, streamId)
    const at = this.#used + frameHeaderBytes
    this.#used += frameHeaderBytes + size
    this.#gathered += frameHeaderBytes + size
    this.#lastStreamId = 0
    return at
  }

  #blockAt(): Buffer {
    return this.#block ?? emptyPayload
  }

  /** A block with room for `size` more bytes behind {@link #used}. */
  #reserve(size: number): Buffer {
    if (!this.#scheduled) this.#schedule()
    if (this.#block !== undefined && this.#used + size <= this.#block.length) return this.#block
    if (this.#block !== undefined) {
      this.#closePart()
      this.#blocks.push(this.#block)
    }
    this.#block = size <= this.#pool.blockBytes ? this.#pool.take() : Buffer.allocUnsafeSlow(size)
    this.#from = 0
    this.#used = 0
    return this.#block
  }

  #closePart(): void {
    if (this.#block === undefined || this.#used === this.#from) return
    this.#parts.push(this.#block.subarray(this.#from, this.#used))
    this.#from = this.#used
  }

  #schedule(): void {
    this.#scheduled = true
    setImmediate(this.#onTurnEnd)
  }

  readonly #onTurnEnd = (): void => {
    this.#scheduled = false
    this.flush()
  }

  #writeOne(): void {
    const block = this.#block ?? emptyPayload
    this.#inFlight.push(block)
    this.#block = undefined
    this.#socket.write(block.subarray(this.#from, this.#used), this.#afterWrite)
  }

  #writeMany(): void {
    this.#closePart()
    if (this.#block !== undefined) this.#blocks.push(this.#block)
    this.#block = undefined
    const parts = this.#parts
    this.#inFlight = this.#blocks
    this.#parts = []
    this.#blocks = []
    this.#socket.cork()
    const last = parts.length - 1
    for (let index = 0; index < last; index += 1) this.#socket.write(parts[index])
    this.#socket.write(parts[last], this.#afterWrite)
    this.#socket.uncork()
  }

  readonly #afterWrite = (error?: Error | null): void => {
    this.#writing = false
    if (this.#reuses && !error) {
      for (const block of this.#inFlight) if (block.length === this.#pool.blockBytes) this.#pool.give(block)
    }
    this.#inFlight.length = 0
    if (this.#closed || error) return
    this.#onWritten()
    this.flush()
  }
}

const emptyPayload = Buffer.alloc(0)
