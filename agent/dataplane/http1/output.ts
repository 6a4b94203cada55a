import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import type { BlockPool } from '../h2/blocks.ts'

/** A payload up to this size is copied next to what stands before it: cheaper than one more buffer in the write. */
const copyBytes = 4096
/** What is taken for a head and what follows it where blocks cannot be used again. */
const ownBlockBytes = 1024
/** With more on the way the caller holds off. */
const highWaterBytes = 64 * 1024

/**
 * Gathers what one connection has to say and gives it to the socket in one write: at the end of a message, or of the
 * event-loop turn. At most one write is under way. Large payloads are passed by reference, all else stands in a block.
 */
export class Output {
  readonly #socket: Duplex
  readonly #pool: BlockPool
  readonly #turns: TurnEnd
  /** TLS copies what it is given, and several buffers even twice. */
  readonly #corks: boolean
  /** Plain streams may hand our buffer to someone who keeps it: only the kernel and TLS are known not to. */
  readonly #reuses: boolean
  readonly #owner: OutputOwner
  #block: Buffer | undefined
  #from = 0
  #used = 0
  #parts: Buffer[] = []
  #blocks: Buffer[] = []
  #gathered = 0
  #inFlight: Buffer[] = []
  #inFlightBytes = 0
  #writing = false
  #held = false
  #wantsFlush = false
  #wantsDrain = false
  #closed = false
  #ending = false
  /** In the list of {@link TurnEnd}. */
  scheduled = false
  /** Writes so far. */
  flushes = 0

  constructor(socket: Duplex, pool: BlockPool, turns: TurnEnd, owner: OutputOwner) {
    this.#socket = socket
    this.#pool = pool
    this.#turns = turns
    this.#corks = !(socket instanceof TLSSocket)
    this.#reuses = socket instanceof Socket
    this.#owner = owner
  }

  /** True while the socket has not taken the last write. */
  get writing(): boolean {
    return this.#writing
  }

  /** Bytes that the socket has not been given yet. */
  get gathered(): number {
    return this.#gathered
  }

  /** A buffer with room for `size` bytes from {@link position} on; what was filled in is said by {@link wrote}. */
  reserve(size: number): Buffer {
    if (this.#block !== undefined && this.#used + size <= this.#block.length) return this.#block
    if (this.#block !== undefined) {
      this.#closePart()
      this.#blocks.push(this.#block)
    }
    if (!this.#reuses) this.#block = Buffer.allocUnsafe(Math.max(size, ownBlockBytes))
    else this.#block = size <= this.#pool.blockBytes ? this.#pool.take() : Buffer.allocUnsafeSlow(size)
    this.#from = 0
    this.#used = 0
    return this.#block
  }

  get position(): number {
    return this.#used
  }

  /** The reserved bytes up to `end` are to be sent. */
  wrote(end: number): void {
    this.#gathered += end - this.#used
    this.#used = end
    if (!this.scheduled) this.#turns.add(this)
  }

  /** Payload, which must not be changed afterwards. */
  payload(chunk: Buffer): void {
    const { length } = chunk
    if (length <= copyBytes) {
      const block = this.reserve(length)
      chunk.copy(block, this.#used)
      return this.wrote(this.#used + length)
    }
    this.#closePart()
    this.#parts.push(chunk)
    this.#gathered += length
    if (!this.scheduled) this.#turns.add(this)
  }

  /** Whether the caller may go on; if not, the owner is told when it may. */
  hasRoom(): boolean {
    if (this.#gathered + this.#inFlightBytes <= highWaterBytes) return true
    this.#wantsDrain = true
    return false
  }

  /** Until {@link release} nothing is written: several answers may go out together. */
  hold(): void {
    this.#held = true
  }

  release(): void {
    this.#held = false
    if (this.#wantsFlush) this.flush()
  }

  /** Gives what is gathered to the socket now, unless it is busy. */
  flush(): void {
    if (this.#held) {
      this.#wantsFlush = true
      return
    }
    this.#wantsFlush = false
    if (this.#writing || this.#gathered === 0 || this.#closed) return
    this.#writing = true
    this.flushes += 1
    this.#inFlightBytes = this.#gathered
    this.#gathered = 0
    if (this.#parts.length === 0) this.#writeOne()
    else this.#writeMany()
  }

  /** Sends what is left and ends our side; nothing can be gathered afterwards. */
  end(): void {
    if (this.#closed || this.#ending) return
    this.#ending = true
    this.#held = false
    this.flush()
    if (!this.#writing) this.#finish()
  }

  /** Drops everything. */
  close(): void {
    this.#closed = true
    this.#parts = []
    this.#blocks = []
    this.#block = undefined
    this.#gathered = 0
  }

  #finish(): void {
    this.#closed = true
    this.#socket.end()
  }

  #closePart(): void {
    if (this.#block === undefined || this.#used === this.#from) return
    this.#parts.push(this.#block.subarray(this.#from, this.#used))
    this.#from = this.#used
  }

  #writeOne(): void {
    const block = this.#block
    if (block === undefined) return
    this.#inFlight.push(block)
    this.#block = undefined
    this.#socket.write(block.subarray(this.#from, this.#used), this.#afterWrite)
    if (this.#writing) this.#owner.writeBegan()
  }

  #writeMany(): void {
    this.#closePart()
    if (this.#block !== undefined) this.#blocks.push(this.#block)
    this.#block = undefined
    const parts = this.#parts
    this.#inFlight = this.#blocks
    this.#parts = []
    this.#blocks = []
    if (this.#corks) this.#socket.cork()
    const last = parts.length - 1
    for (let index = 0; index < last; index += 1) this.#socket.write(parts[index])
    this.#socket.write(parts[last], this.#afterWrite)
    if (this.#corks) this.#socket.uncork()
    if (this.#writing) this.#owner.writeBegan()
  }

  readonly #afterWrite = (error?: Error | null): void => {
    this.#writing = false
    this.#inFlightBytes = 0
    if (this.#reuses && !error) {
      for (const block of this.#inFlight) if (block.length === this.#pool.blockBytes) this.#pool.give(block)
    }
    this.#inFlight.length = 0
    if (this.#closed || error) return
    this.#owner.written()
    if (this.#gathered > 0) this.flush()
    else if (this.#ending) this.#finish()
    if (this.#wantsDrain && this.#gathered + this.#inFlightBytes <= highWaterBytes / 2) {
      this.#wantsDrain = false
      this.#owner.drained()
    }
  }
}

/** What the owner of an {@link Output} is told. */
export interface OutputOwner {
  /** A write is under way. */
  writeBegan(): void
  /** The socket took it. */
  written(): void
  /** There is room again. */
  drained(): void
}

/** Flushes, at the end of an event-loop turn, whatever was gathered in it: one for all connections of a thread. */
export class TurnEnd {
  #waiting: Output[] = []

  add(output: Output): void {
    output.scheduled = true
    this.#waiting.push(output)
    if (this.#waiting.length === 1) setImmediate(this.#flush)
  }

  readonly #flush = (): void => {
    const waiting = this.#waiting
    this.#waiting = []
    for (const output of waiting) {
      output.scheduled = false
      output.flush()
    }
  }
}
