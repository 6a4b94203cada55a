import type { Random } from '../../../../mesh/std/clock.ts'
import type { ClusterEndpoint } from '../endpoint.ts'
import { highLane, murmur3, scramble } from '../hash.ts'
import type { Balancer } from './balancer.ts'
import { OrderedMembers } from './ordered-members.ts'

/** Envoy's largest ring. */
const maxRingSize = 8_388_608
/** Up to so many entries every member has as many as the minimum ring size, so that a change moves no other's. */
const maxStableEntries = 131_072
/** An entry is its place on the ring times this, and the number of its member: one number that sorts by place. */
const owners = 2 ** 20
/** In place of a member's new number, when its entries do not stay. */
const gone = -1

/**
 * Consistent hashing on a ring (Envoy, "Ring hash"): a member has places in proportion to its weight, and a key belongs
 * to the next place clockwise of a member that may be chosen. Places follow from addresses alone. The ring changes with
 * the members, not with their health: one that may not be chosen is walked past, and only its own keys move.
 */
export class RingHash<E extends ClusterEndpoint> implements Balancer<E> {
  readonly #minimumSize: number
  readonly #random: Random
  readonly #members = new OrderedMembers<E>()
  #ring = new Float64Array(0)
  /** Keys in the order of their numbers in the ring, with how many places each has. */
  #places: ReadonlyMap<string, number> = new Map()

  constructor(minimumSize: number, random: Random) {
    this.#minimumSize = Math.min(minimumSize, maxRingSize)
    this.#random = random
  }

  /** Entries on the ring. */
  get size(): number {
    return this.#ring.length
  }

  update(members: readonly E[], usable: readonly E[]): void {
    if (this.#members.update(members, usable)) this.#rebuild()
  }

  pick(hash: number | undefined): E | undefined {
    if (this.#members.usable === 0) return undefined
    const ring = this.#ring
    let at = firstFrom(ring, (hash === undefined ? Math.floor(this.#random() * 2 ** 32) : highLane(hash)) * owners)
    for (;;) {
      if (at === ring.length) at = 0
      const owner = ownerOf(ring[at] ?? 0)
      if (this.#members.isUsable(owner)) return this.#members.all[owner]
      at += 1
    }
  }

  /** Keeps the entries of members that have as many as before, and merges in what is new. */
  #rebuild(): void {
    const places = placesOf(this.#members.all, this.#minimumSize)
    const before = new Map([...this.#places.keys()].map((key, number) => [key, number]))
    const renumbered = new Int32Array(before.size).fill(gone)
    let size = 0
    let number = 0
    const added: Float64Array[] = []
    for (const [key, count] of places) {
      const old = before.get(key)
      if (old !== undefined && this.#places.get(key) === count) renumbered[old] = number
      else added.push(entriesOf(key, count, number))
      size += count
      number += 1
    }
    this.#places = places
    this.#ring = merge(this.#ring, renumbered, joined(added).sort(), size)
  }
}

/** How many places each member has, by key: the heaviest as many as the ring must have at least, while that is few. */
function placesOf(members: readonly ClusterEndpoint[], minimumSize: number): ReadonlyMap<string, number> {
  const heaviest = members.reduce((most, { weight }) => Math.max(most, weight), 0)
  const total = members.reduce((sum, { weight }) => sum + weight, 0)
  const most = Math.min(minimumSize, Math.ceil((Math.max(minimumSize, maxStableEntries) * heaviest) / total))
  return new Map(members.map(({ key, weight }) => [key, Math.max(1, Math.ceil((most * weight) / heaviest))]))
}

function entriesOf(key: string, count: number, number: number): Float64Array {
  const entries = new Float64Array(count)
  const first = murmur3(key, 0x1b56c4e9)
  const second = murmur3(key, 0x7feb352d)
  for (let turn = 0; turn < count; turn += 1) {
    // One to one in `turn`: no two places of a member fall together.
    entries[turn] = scramble(first ^ scramble(second + Math.imul(turn, 0x9e3779b9))) * owners + number
  }
  return entries
}

function joined(parts: readonly Float64Array[]): Float64Array {
  const whole = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** The old entries under the new numbers of their members, without those of members that are gone, and the added ones. */
function merge(old: Float64Array, numbers: Int32Array, added: Float64Array, size: number): Float64Array<ArrayBuffer> {
  const ring = new Float64Array(size)
  let at = 0
  let taken = 0
  for (let from = 0; from < old.length; from += 1) {
    const entry = old[from] ?? 0
    const owner = ownerOf(entry)
    const number = numbers[owner] ?? gone
    if (number === gone) continue
    const kept = entry - owner + number
    for (let next = added[taken]; next !== undefined && next < kept; next = added[taken]) {
      ring[at] = next
      at += 1
      taken += 1
    }
    ring[at] = kept
    at += 1
  }
  ring.set(added.subarray(taken), at)
  return ring
}

function ownerOf(entry: number): number {
  return entry - Math.floor(entry / owners) * owners
}

/** Where the first entry at or after a place stands; the length of the ring when there is none. */
function firstFrom(ring: Float64Array, entry: number): number {
  let low = 0
  let high = ring.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((ring[middle] ?? 0) < entry) low = middle + 1
    else high = middle
  }
  return low
}
