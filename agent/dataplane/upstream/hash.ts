/** The lower of the two lanes of a {@link hash53} has so many values. */
const lowLane = 2 ** 21

/**
 * MurmurHash3 (x86, 32 bits) of a text's UTF-16 code units, lower octet first: an unsigned integer. All agents must
 * agree on it, or a key leads to another endpoint from each of them.
 */
export function murmur3(text: string, seed: number): number {
  let hash = seed
  const paired = text.length & ~1
  for (let at = 0; at < paired; at += 2) {
    hash ^= mixBlock(text.charCodeAt(at) | (text.charCodeAt(at + 1) << 16))
    hash = (hash << 13) | (hash >>> 19)
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0
  }
  if (paired < text.length) hash ^= mixBlock(text.charCodeAt(paired))
  return scramble(hash ^ (text.length * 2))
}

/** MurmurHash3's last step: every bit of an integer of 32 bits comes to depend on all of them; no two become one. */
export function scramble(value: number): number {
  let hash = value ^ (value >>> 16)
  hash = Math.imul(hash, 0x85ebca6b)
  hash ^= hash >>> 13
  hash = Math.imul(hash, 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** Two lanes of {@link murmur3} in one whole number below 2^53: what requests are told apart by. */
export function hash53(text: string): number {
  return murmur3(text, 0x2c1b3c6d) * lowLane + (murmur3(text, 0x297a2d39) >>> 11)
}

/** The upper lane, an unsigned integer of 32 bits: the place on a ring or in a table. */
export function highLane(hash: number): number {
  return Math.floor(hash / lowLane)
}

/** The lower lane as a number in [0, 1), which says nothing of the upper one: the draw of a priority. */
export function lowFraction(hash: number): number {
  return (hash % lowLane) / lowLane
}

function mixBlock(block: number): number {
  const mixed = Math.imul(block, 0xcc9e2d51)
  return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593)
}
