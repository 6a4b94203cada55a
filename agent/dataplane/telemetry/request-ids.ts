import { randomFillSync } from 'node:crypto'

const idBytes = 16
const idsAtOnce = 256

/** Makes ids of requests. */
export class RequestIds {
  readonly #random = Buffer.allocUnsafeSlow(idsAtOnce * idBytes)
  readonly #text = Buffer.alloc(36, '-', 'latin1')
  #next = idsAtOnce * idBytes

  /** A random UUID (RFC 9562, version 4): as unguessable as Node's own, and one string in place of its many pieces. */
  next(): string {
    const random = this.#random
    const text = this.#text
    if (this.#next === random.length) {
      randomFillSync(random)
      this.#next = 0
    }
    let to = 0
    for (let at = 0; at < idBytes; at += 1) {
      const octet = random[this.#next + at] ?? 0
      const value = at === 6 ? (octet & 0x0f) | 0x40 : at === 8 ? (octet & 0x3f) | 0x80 : octet
      text[to] = hexDigits.charCodeAt(value >> 4)
      text[to + 1] = hexDigits.charCodeAt(value & 15)
      to += at === 3 || at === 5 || at === 7 || at === 9 ? 3 : 2
    }
    this.#next += idBytes
    return text.toString('latin1')
  }
}

const hexDigits = '0123456789abcdef'
