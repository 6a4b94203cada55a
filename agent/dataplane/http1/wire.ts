import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import type { Clock } from '../../../mesh/std/clock.ts'
import { resetSocket } from '../tcp/reset.ts'
import { Deadline } from './deadline.ts'
import type { Http1Limits } from './limits.ts'
import { Output, type OutputOwner } from './output.ts'
import type { Http1Shared } from './shared.ts'

/** What a connection is told of its socket. */
export interface WireOwner {
  received(chunk: Buffer): void
  /** The peer has closed its side; nothing more is received. */
  peerEnded(): void
  /** The connection is over, and not by us. */
  lost(reason: string): void
  drained(): void
}

/**
 * A socket as a connection uses it: read with back-pressure, written through an {@link Output}, and closed in one of
 * two ways: in order, so that the peer reads our last words, or broken off, so that nobody takes what was sent for all.
 */
export class Wire implements OutputOwner {
  readonly output: Output
  readonly #socket: Duplex
  readonly #owner: WireOwner
  readonly #stall: Deadline
  readonly #linger: Deadline
  #unconsumed = 0
  readonly #maxUnconsumed: number
  #held: Buffer | undefined
  readonly #maxHeld: number
  #paused = false
  #patient = false
  #over = false

  constructor(socket: Duplex, owner: WireOwner, limits: Http1Limits, clock: Clock, shared: Http1Shared) {
    this.#socket = socket
    this.#owner = owner
    this.#maxUnconsumed = limits.unconsumedBytes
    this.#maxHeld = limits.heldBytes
    this.output = new Output(socket, shared.blocks, shared.turns, this)
    this.#stall = new Deadline(clock, limits.writeStallMs, () => this.#stalled())
    this.#linger = new Deadline(clock, limits.lingerMs, () => socket.destroy())
  }

  /** Begins to read, `first` before anything else; nothing is delivered before the next turn. */
  start(first: Buffer | undefined): void {
    const socket = this.#socket
    if (socket instanceof Socket) socket.setNoDelay(true)
    socket.on('error', error => this.#lost(error.message))
    socket.on('close', () => this.#lost('the connection was lost'))
    socket.on('end', () => {
      if (!this.#over) this.#owner.peerEnded()
    })
    socket.on('data', this.#received)
    if (first !== undefined && first.length > 0) process.nextTick(this.#received, first)
    socket.resume()
  }

  /** Nothing is read now: what was delivered is not consumed, or too much is held. */
  get paused(): boolean {
    return this.#paused
  }

  /** Accounts for payload that was handed over. */
  delivered(bytes: number): void {
    this.#unconsumed += bytes
    if (this.#unconsumed > this.#maxUnconsumed) this.#pauseOrResume()
  }

  consumed(bytes: number): void {
    this.#unconsumed = Math.max(0, this.#unconsumed - bytes)
    if (this.#paused) this.#pauseOrResume()
  }

  /** Nobody will consume what is outstanding. */
  consumedAll(): void {
    this.#unconsumed = 0
    if (this.#paused) this.#pauseOrResume()
  }

  /** Keeps bytes that are not wanted yet. */
  hold(bytes: Buffer): void {
    this.#held = this.#held === undefined ? bytes : Buffer.concat([this.#held, bytes])
    this.#pauseOrResume()
  }

  get holds(): boolean {
    return this.#held !== undefined
  }

  /** What was held, in the order it came; it is not held any longer. */
  takeHeld(): Buffer | undefined {
    const held = this.#held
    this.#held = undefined
    if (this.#paused) this.#pauseOrResume()
    return held
  }

  /**
   * Closes after what was written. It goes on reading and drops: unread bytes would make the kernel answer with a reset
   * that overtakes our last words.
   */
  close(): void {
    if (this.#over) return
    this.#over = true
    this.#release()
    this.output.end()
    if (this.#paused) this.#pauseOrResume()
    if (this.#socket.writableFinished) this.#linger.start()
    else this.#socket.once('finish', () => this.#linger.start())
  }

  /** Breaks the connection off: by a reset where there is one, which no peer takes for the end of a message. */
  abort(): void {
    this.#over = true
    this.#release()
    this.#stall.stop()
    this.#linger.stop()
    this.output.close()
    const socket = this.#socket
    if (!(socket instanceof Socket)) socket.destroy(new Error('the exchange was broken off'))
    // only TCP has resets, and Node refuses others
    else if (socket instanceof TLSSocket || socket.remotePort === undefined) socket.destroy()
    else resetSocket(socket)
  }

  /** From now on a peer may take its time: the connection carries another protocol. */
  carriesTunnel(): void {
    this.#patient = true
    this.#stall.stop()
  }

  writeBegan(): void {
    if (!this.#patient) this.#stall.start()
  }

  written(): void {
    this.#stall.meet()
  }

  drained(): void {
    if (!this.#over) this.#owner.drained()
  }

  readonly #received = (chunk: Buffer): void => {
    if (!this.#over) this.#owner.received(chunk)
  }

  #stalled(): void {
    this.#lost('the peer does not read')
    this.#linger.stop()
    this.#socket.destroy()
  }

  #lost(reason: string): void {
    if (this.#socket.destroyed) {
      this.#stall.stop()
      this.#linger.stop()
    }
    if (this.#over) return
    this.#over = true
    this.#release()
    this.output.close()
    this.#owner.lost(reason)
  }

  #release(): void {
    this.#held = undefined
    this.#unconsumed = 0
  }

  #pauseOrResume(): void {
    const pause = this.#unconsumed > this.#maxUnconsumed || (this.#held?.length ?? 0) > this.#maxHeld
    if (pause === this.#paused) return
    this.#paused = pause
    if (pause) this.#socket.pause()
    else this.#socket.resume()
  }
}
