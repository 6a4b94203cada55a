import { murmur3 } from './hash.ts'

/** Clusters with limits that can be counted across threads; a further one is counted by each thread for itself. */
const slots = 4096
/** Neighbouring slots where a cluster may be, when others have the first. */
const maxProbes = 32
/** Counts per thread and cluster. */
const width = 4

/**
 * What all data threads of an agent have under way, so that a limit holds for the agent and not once per thread. A slot
 * is a key and, for every thread, the counts that only this thread writes; what is read is their sum.
 */
export class SharedCounts {
  readonly #cells: Int32Array
  readonly #thread: number
  readonly #threads: number

  /** The view that thread number `thread`, from 0, has of a buffer that {@link SharedCounts.buffer} made. */
  constructor(buffer: SharedArrayBuffer, thread: number, threads: number) {
    this.#cells = new Int32Array(buffer)
    this.#thread = thread
    this.#threads = threads
  }

  /** Memory for so many threads, all counts 0; the kernel provides what of it is used. */
  static buffer(threads: number): SharedArrayBuffer {
    return new SharedArrayBuffer(slots * slotSize(threads) * Int32Array.BYTES_PER_ELEMENT)
  }

  /** The slot of a cluster, the same in every thread, for as long as the agent runs; undefined when there is no room. */
  slot(cluster: string): number | undefined {
    // Never 0, which is a free slot's. Two clusters are taken for one when 44 bits of their hashes agree.
    const key = murmur3(cluster, 0x2c1b3c6d) | 1
    const first = murmur3(cluster, 0x297a2d39)
    for (let probe = 0; probe < maxProbes; probe += 1) {
      const slot = ((first + probe) % slots) * slotSize(this.#threads)
      const found = Atomics.compareExchange(this.#cells, slot, 0, key)
      if (found === 0 || found === key) return slot
    }
    return undefined
  }

  /** Adds to this thread's count number `index` of a slot. */
  add(slot: number, index: number, by: number): void {
    Atomics.add(this.#cells, slot + 1 + this.#thread * width + index, by)
  }

  /** Count number `index` of a slot, of all threads. */
  total(slot: number, index: number): number {
    let sum = 0
    for (let at = slot + 1 + index; at < slot + slotSize(this.#threads); at += width)
      sum += Atomics.load(this.#cells, at)
    return sum
  }
}

function slotSize(threads: number): number {
  return 1 + threads * width
}
