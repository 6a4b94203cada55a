import { readFileSync } from 'node:fs'

/** Open files when the kernel does not say: what POSIX systems give at least. */
const fallbackFiles = 1024

/**
 * How many connections each of the data threads may have accepted at once. Most connections need a second socket on
 * the way to their destination, so that a quarter of the process's open files is half of them at most: the rest is for
 * sessions, the control thread, files and DNS. Takes the text of `/proc/self/limits`.
 */
export function connectionsPerThread(limits: string, threads: number): number {
  const files = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? fallbackFiles)
  return Math.max(16, Math.floor(files / 4 / threads))
}

/** {@link connectionsPerThread} of this process. */
export function ownConnectionsPerThread(threads: number): number {
  let limits = ''
  try {
    limits = readFileSync('/proc/self/limits', 'utf8')
  } catch {
    // no /proc: the fallback holds
  }
  return connectionsPerThread(limits, threads)
}

/** Counts something that is open against a maximum in all and of one source, so that no source takes everything. */
export class ConnectionLimit {
  readonly #max: number
  readonly #maxPerSource: number
  readonly #bySource = new Map<string, number>()
  #open = 0

  constructor(max: number, maxPerSource: number) {
    this.#max = max
    this.#maxPerSource = maxPerSource
  }

  get open(): number {
    return this.#open
  }

  /** Counts one more; without a source it counts in all only. False, and nothing counted, when it is too much. */
  take(source?: string): boolean {
    if (this.#open >= this.#max) return false
    if (source !== undefined) {
      const open = this.#bySource.get(source) ?? 0
      if (open >= this.#maxPerSource) return false
      this.#bySource.set(source, open + 1)
    }
    this.#open += 1
    return true
  }

  /** Takes back one that was counted with the same source. */
  release(source?: string): void {
    this.#open -= 1
    if (source === undefined) return
    const open = (this.#bySource.get(source) ?? 0) - 1
    if (open > 0) this.#bySource.set(source, open)
    else this.#bySource.delete(source)
  }
}
