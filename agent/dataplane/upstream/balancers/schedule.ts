import type { Random } from '../../../../mesh/std/clock.ts'

/**
 * Earliest deadline first: turns in proportion to weights, spread evenly rather than in bursts. Weights are asked for
 * anew at each turn, so they may move; a turn costs the logarithm of the number of entries and allocates nothing.
 */
export class Schedule<E> {
  readonly #weightOf: (entry: E) => number
  #entries: readonly E[] = []
  /** Entry numbers as a heap, the next turn on top. */
  #heap = new Uint32Array(0)
  #deadlines = new Float64Array(0)

  constructor(weightOf: (entry: E) => number) {
    this.#weightOf = weightOf
  }

  /** Begins anew with these entries. Each starts at a random point of its period, so that callers do not march in step. */
  reset(entries: readonly E[], random: Random): void {
    this.#entries = entries
    if (this.#heap.length !== entries.length) {
      this.#heap = new Uint32Array(entries.length)
      this.#deadlines = new Float64Array(entries.length)
    }
    for (const [index, entry] of entries.entries()) {
      this.#deadlines[index] = random() / this.#weightOf(entry)
      this.#heap[index] = index
    }
    for (let at = (entries.length >> 1) - 1; at >= 0; at -= 1) this.#sink(at)
  }

  /** Whose turn it is; undefined without entries. */
  next(): E | undefined {
    const index = this.#heap[0]
    if (index === undefined) return undefined
    const entry = this.#entries[index]
    if (entry === undefined) return undefined
    this.#deadlines[index] = (this.#deadlines[index] ?? 0) + 1 / this.#weightOf(entry)
    this.#sink(0)
    return entry
  }

  #sink(start: number): void {
    const heap = this.#heap
    const deadlines = this.#deadlines
    const size = heap.length
    const moved = heap[start] ?? 0
    const deadline = deadlines[moved] ?? 0
    let at = start
    for (;;) {
      let child = 2 * at + 1
      if (child >= size) break
      let least = deadlines[heap[child] ?? 0] ?? 0
      if (child + 1 < size) {
        const other = deadlines[heap[child + 1] ?? 0] ?? 0
        if (other < least) {
          least = other
          child += 1
        }
      }
      if (least >= deadline) break
      heap[at] = heap[child] ?? 0
      at = child
    }
    heap[at] = moved
  }
}
