import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

type Collect = (options: { readonly type: 'minor' }) => void

/** How much may pass between two collections: small enough to stay in the caches' reach, large enough to be cheap. */
const garbageBytes = 8 * 1024 * 1024

/**
 * Keeps the memory of read buffers in bounds. Each read has a buffer of its own, outside of V8's heap, and V8 lets 64 MiB
 * of them wait before it looks for dead ones. This asks for a collection of the young generation, a millisecond, each
 * time 8 MiB have passed.
 */
export class ReadGarbage {
  readonly #collect: () => void
  #bytes = 0
  #block: ArrayBufferLike | undefined

  /** `collect` frees what is no longer used; V8's own by default. */
  constructor(collect: () => void = youngCollector()) {
    this.#collect = collect
  }

  /**
   * Accounts for a read by TLS. Node cuts those out of blocks of 64 KiB, and begins a new one for each when plain sockets
   * are read in between, as they are in a proxy: V8 would answer that with full collections, several a second.
   */
  read(chunk: Buffer): void {
    if (chunk.buffer === this.#block) return
    this.#block = chunk.buffer
    this.passed(chunk.buffer.byteLength)
  }

  /** Accounts for bytes that were read and passed on. */
  passed(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes < garbageBytes) return
    this.#bytes = 0
    this.#collect()
  }
}

/**
 * V8 hands its collector out to contexts that are made while this flag is set. The flag is the process's, and threads start
 * together: who took it back would take it from the others.
 */
function youngCollector(): () => void {
  setFlagsFromString('--expose-gc')
  const collect: Collect = runInNewContext('gc')
  return () => collect({ type: 'minor' })
}
