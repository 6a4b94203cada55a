/**
 * Counts the protobuf fields of a message and of the messages one level below it, without decoding anything (the wire
 * types of protobuf.dev/programming-guides/encoding). Stops soon after `limit`; what no writer of ours produces (groups,
 * tags and lengths longer than 32 bits) counts as infinitely many, so that nothing hides behind it.
 */
export function countFields(bytes: Uint8Array, limit: number): number {
  const outer = walk(bytes, 0, bytes.length, limit)
  let count = outer.count
  for (const [from, to] of outer.nested) {
    if (count > limit) break
    count += walk(bytes, from, to, limit - count).count
  }
  return count
}

interface Shape {
  readonly count: number
  /** Start and end of each length-delimited field. */
  readonly nested: readonly (readonly [number, number])[]
}

function walk(bytes: Uint8Array, from: number, to: number, limit: number): Shape {
  const nested: [number, number][] = []
  let count = 0
  let at = from
  while (at < to && count <= limit) {
    count += 1
    const tag = readVarint(bytes, at, to)
    if (tag.value > 0xffff_ffff) return { count: Number.POSITIVE_INFINITY, nested }
    at = tag.next
    switch (tag.value & 7) {
      case 0:
        at = readVarint(bytes, at, to).next
        break
      case 1:
        at += 8
        break
      case 2: {
        const length = readVarint(bytes, at, to)
        if (length.value > 0xffff_ffff) return { count: Number.POSITIVE_INFINITY, nested }
        at = length.next + length.value
        nested.push([length.next, Math.min(at, to)])
        break
      }
      case 5:
        at += 4
        break
      default:
        return { count: Number.POSITIVE_INFINITY, nested }
    }
  }
  return { count, nested }
}

function readVarint(bytes: Uint8Array, from: number, to: number): { value: number; next: number } {
  let value = 0
  let at = from
  for (let shift = 0; at < to; shift += 7) {
    const byte = bytes[at] ?? 0
    at += 1
    value += (byte & 127) * 2 ** shift
    if (byte < 128) break
    // A tag or length of six bytes and more is out of range even when its upper bits are zero.
    if (shift >= 28) value = Number.POSITIVE_INFINITY
  }
  return { value, next: at }
}
