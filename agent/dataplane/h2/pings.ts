import type { Clock } from '../../../mesh/std/clock.ts'

interface Outstanding {
  readonly number: number
  readonly sentAt: number
  readonly done: (rttMs: number | undefined) => void
}

/** PING frames of ours that wait for their answer (RFC 9113 section 6.7). */
export class Pings {
  readonly #clock: Clock
  #waiting: Outstanding[] = []
  #next = 1

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The payload of a new PING; `done` is called with the round trip in milliseconds, or undefined if none came. */
  start(done: (rttMs: number | undefined) => void): Buffer {
    const number = this.#next
    this.#next += 1
    this.#waiting.push({ number, sentAt: this.#clock.monotonic(), done })
    const payload = Buffer.alloc(8)
    payload.writeUInt32BE(number, 4)
    return payload
  }

  /** An answer arrived; one that fits no question is ignored. */
  answered(payload: Buffer): void {
    const index = this.#waiting.findIndex(ping => ping.number === payload.readUInt32BE(4))
    const [ping] = index < 0 ? [] : this.#waiting.splice(index, 1)
    ping?.done(this.#clock.monotonic() - ping.sentAt)
  }

  /** No answer will come any more. */
  close(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const ping of waiting) ping.done(undefined)
  }
}
