const prefixBytes = 5

/** Counts the messages of a gRPC payload by their length prefixes (gRPC over HTTP/2: compressed flag, four octets). */
export class GrpcMessages {
  /** Messages that have begun. */
  count = 0
  /** Bytes of the current message still to come. */
  #left = 0
  #prefixSeen = 0
  #length = 0

  push(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, chunk.length - at)
        this.#left -= taken
        at += taken
        continue
      }
      if (this.#prefixSeen > 0) this.#length = this.#length * 256 + (chunk[at] ?? 0)
      this.#prefixSeen += 1
      at += 1
      if (this.#prefixSeen < prefixBytes) continue
      this.count += 1
      this.#left = this.#length
      this.#prefixSeen = 0
      this.#length = 0
    }
  }
}
