import type { Clock, Timer } from '../../../mesh/std/clock.ts'
import { h2Error } from './frames.ts'
import type { H2Limits } from './limits.ts'
import type { LiveStream } from './live-stream.ts'
import type { StreamTable } from './stream-table.ts'
import type { FrameWriter } from './writer.ts'

/** How many times a limit is looked at while it runs; a stall is noticed late by at most one part. */
const looks = 4
/** A peer that takes less than this between two looks has taken nothing: one byte now and then is no progress. */
const progressBytes = 1024

/**
 * Resets streams on which nothing moves for too long: those whose peer does not take what waits for it, and those whose
 * request is begun, not answered, and does not go on. Ends a connection whose peer does not read at all. One timer while streams are open.
 */
export class StallWatch {
  readonly #clock: Clock
  readonly #streams: StreamTable
  readonly #writer: FrameWriter
  readonly #destroy: (reason: string) => void
  readonly #everyMs: number
  readonly #idleLooks: number
  readonly #stallLooks: number
  #timer: Timer | undefined
  #written = false
  #stuck = 0

  /** `destroy` ends the connection. */
  constructor(
    clock: Clock,
    limits: H2Limits,
    streams: StreamTable,
    writer: FrameWriter,
    destroy: (reason: string) => void,
  ) {
    this.#clock = clock
    this.#streams = streams
    this.#writer = writer
    this.#destroy = destroy
    this.#everyMs = Math.min(limits.requestIdleMs, limits.sendStallMs) / looks
    this.#idleLooks = limits.requestIdleMs / this.#everyMs
    this.#stallLooks = limits.sendStallMs / this.#everyMs
  }

  /** A stream was opened. */
  opened(): void {
    if (this.#timer === undefined && this.#everyMs !== Number.POSITIVE_INFINITY) this.#start()
  }

  /** The socket took what it was given. */
  written(): void {
    this.#written = true
  }

  stop(): void {
    this.#timer?.cancel()
  }

  #start(): void {
    this.#timer = this.#clock.timer(this.#everyMs, this.#look)
  }

  readonly #look = (): void => {
    this.#timer = undefined
    if (this.#streams.size === 0) return
    this.#stuck = this.#writer.writing && !this.#written ? this.#stuck + 1 : 0
    this.#written = false
    if (this.#stuck > this.#stallLooks) return this.#destroy('the peer does not read')
    for (const stream of this.#streams.values()) this.#judge(stream)
    this.#start()
  }

  #judge(stream: LiveStream): void {
    const waits = stream.queue.length > 0
    stream.stalledLooks = waits && stream.sent - stream.sentBefore < progressBytes ? stream.stalledLooks + 1 : 0
    stream.sentBefore = stream.sent
    if (stream.stalledLooks > this.#stallLooks) {
      return this.#streams.resetFor(stream, h2Error.cancel, 'the peer does not take what is sent')
    }
    // who has sent a whole request, or has been answered, may wait as long as the other side lets it
    const owes = !stream.remoteEnded && !stream.answered
    stream.idleLooks = owes && stream.moves === stream.movesBefore ? stream.idleLooks + 1 : 0
    stream.movesBefore = stream.moves
    if (stream.idleLooks > this.#idleLooks)
      this.#streams.resetFor(stream, h2Error.cancel, 'the rest of the request did not come')
  }
}
