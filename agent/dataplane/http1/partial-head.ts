import { lf } from './octets.ts'

const firstBytes = 2048

/** Collects a head that comes in pieces. It is worth reading again only when another line of it is complete. */
export class PartialHead {
  #bytes: Buffer | undefined
  #length = 0

  /** How much is collected. */
  get length(): number {
    return this.#length
  }

  /** What is collected, a view. */
  get bytes(): Buffer {
    return this.#bytes === undefined ? nothing : this.#bytes.subarray(0, this.#length)
  }

  /** Adds a piece (copied); true when it ends another line. */
  add(piece: Buffer): boolean {
    const needed = this.#length + piece.length
    if (this.#bytes === undefined || this.#bytes.length < needed) {
      const larger = Buffer.allocUnsafeSlow(Math.max(firstBytes, needed, this.#length * 2))
      this.#bytes?.copy(larger, 0, 0, this.#length)
      this.#bytes = larger
    }
    piece.copy(this.#bytes, this.#length)
    this.#length = needed
    return piece.includes(lf)
  }

  clear(): void {
    this.#bytes = undefined
    this.#length = 0
  }
}

const nothing = Buffer.alloc(0)
