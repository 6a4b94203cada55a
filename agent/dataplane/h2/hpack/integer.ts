/** A cursor over one header block; `failed` is set when the block ends too early or a number is too large. */
export interface Cursor {
  at: number
  failed: boolean
}

/** The largest integer taken: anything larger is an index or a length no block of ours may have. */
const maxInteger = 2 ** 24

/**
 * Reads an integer with an N-bit prefix (RFC 7541 section 5.1) at the cursor and moves it on. On a number beyond 2^24
 * or a truncated one it sets `failed` and returns 0.
 */
export function readInteger(block: Buffer, end: number, prefixBits: number, cursor: Cursor): number {
  const ceiling = (1 << prefixBits) - 1
  let value = (block[cursor.at] ?? 0) & ceiling
  if (value < ceiling && cursor.at < end) {
    cursor.at += 1
    return value
  }
  cursor.at += 1
  for (let shift = 0; cursor.at < end && shift <= 21; shift += 7) {
    const byte = block[cursor.at++] ?? 0
    value += (byte & 0x7f) << shift
    if (byte < 0x80) {
      if (value <= maxInteger) return value
      break
    }
  }
  cursor.failed = true
  return 0
}

/** Writes an integer below the given high bits of its first byte; returns the offset behind it. */
export function writeInteger(into: Buffer, at: number, highBits: number, prefixBits: number, value: number): number {
  const ceiling = (1 << prefixBits) - 1
  if (value < ceiling) {
    into[at] = highBits | value
    return at + 1
  }
  into[at++] = highBits | ceiling
  let rest = value - ceiling
  while (rest >= 0x80) {
    into[at++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  into[at++] = rest
  return at
}
