import type { Clock } from '../../../mesh/std/clock.ts'
import { Deadline } from './deadline.ts'
import type { HeadResult } from './head-lines.ts'
import type { Http1Limits } from './limits.ts'
import { PartialHead } from './partial-head.ts'

/** What reads a head that is there as a whole. */
interface WholeHeadReader {
  /** Where the next byte behind the head is. */
  readonly end: number
  read(bytes: Buffer, from: number): HeadResult
}

/** Reads heads out of what comes, in however many pieces and in time. */
export class HeadReader {
  /** What the last call of {@link read} came to. */
  result: HeadResult = 'incomplete'
  readonly #head: WholeHeadReader
  readonly #partial = new PartialHead()
  readonly #limits: Http1Limits
  readonly #deadline: Deadline

  /** `late` is called when a head that has begun is not completed in time. */
  constructor(head: WholeHeadReader, limits: Http1Limits, clock: Clock, late: () => void) {
    this.#head = head
    this.#limits = limits
    this.#deadline = new Deadline(clock, limits.headTimeoutMs, late)
  }

  /** A head has begun. */
  get waitsForRest(): boolean {
    return this.#partial.length > 0
  }

  /** Takes what belongs to the head of `bytes` from `from` on; returns where the rest begins. */
  read(bytes: Buffer, from: number): number {
    const before = this.#partial.length
    if (before === 0) {
      this.result = this.#head.read(bytes, from)
      if (this.result === 'complete') return this.#head.end
      if (this.result === 'incomplete') this.#partial.add(bytes.subarray(from))
    } else {
      const newLine = this.#partial.add(bytes.subarray(from))
      this.result = 'incomplete'
      if (newLine || this.#partial.length > this.#limits.startLineBytes) {
        this.result = this.#head.read(this.#partial.bytes, 0)
      }
      if (this.result === 'complete') {
        this.stop()
        return from + this.#head.end - before
      }
    }
    // an empty line alone is not the beginning of a request yet
    if (this.result === 'incomplete' && this.#partial.length > 2) this.#deadline.start()
    return bytes.length
  }

  /** Forgets what has come. */
  stop(): void {
    this.#partial.clear()
    this.#deadline.stop()
  }
}
