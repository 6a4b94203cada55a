/**
 * One receive window, of a stream or of a connection (RFC 9113 section 5.2): what the peer may still send, and what
 * was consumed but not announced yet. Updates are batched to half a window.
 */
export class ReceiveWindow {
  readonly #size: number
  #available: number
  #returned = 0

  constructor(size: number) {
    this.#size = size
    this.#available = size
  }

  /** Accounts for bytes that arrived; returns what is left, negative when the peer sent more than it may. */
  take(bytes: number): number {
    this.#available -= bytes
    return this.#available
  }

  /** Accounts for consumed bytes; returns the increment to announce now, or 0 to wait for more. */
  give(bytes: number): number {
    this.#returned += bytes
    if (this.#returned * 2 < this.#size) return 0
    const increment = this.#returned
    this.#available += increment
    this.#returned = 0
    return increment
  }
}
