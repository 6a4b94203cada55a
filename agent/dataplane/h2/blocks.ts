/**
 * Output buffers shared by the connections of one thread. A block is taken when a connection has something to send
 * and given back when the socket took it, so idle connections hold none.
 */
export class BlockPool {
  readonly blockBytes: number
  readonly #maxFree: number
  readonly #free: Buffer[] = []

  /** By default room for two full 64 KiB reads with their frame headers, and at most 16 blocks kept for later. */
  constructor(blockBytes: number = 129 * 1024, maxFree = 16) {
    this.blockBytes = blockBytes
    this.#maxFree = maxFree
  }

  /** A block with undefined content. */
  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.blockBytes)
  }

  /** Hands a block back; nothing may still read it. */
  give(block: Buffer): void {
    if (this.#free.length < this.#maxFree) this.#free.push(block)
  }
}
