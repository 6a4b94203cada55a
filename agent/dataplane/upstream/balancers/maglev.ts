import type { Random } from '../../../../mesh/std/clock.ts'
import type { ClusterEndpoint } from '../endpoint.ts'
import { highLane, murmur3 } from '../hash.ts'
import type { Balancer } from './balancer.ts'
import { OrderedMembers } from './ordered-members.ts'

/**
 * Consistent hashing by a table of slots (Eisenbud et al., "Maglev", section 3.4; Envoy, "Maglev"): members take turns,
 * by weight, in claiming the next free slot of an order of their own. The table changes with the members, not with their
 * health: the keys of one that may not be chosen go to the slots that follow, and only they move.
 */
export class Maglev<E extends ClusterEndpoint> implements Balancer<E> {
  readonly #size: number
  readonly #random: Random
  readonly #members = new OrderedMembers<E>()
  #table: Uint16Array | Uint32Array = new Uint16Array(0)

  /** A table size that is not prime is raised to the next prime: other orders would not come by every slot. */
  constructor(tableSize: number, random: Random) {
    this.#size = primeFrom(tableSize)
    this.#random = random
  }

  /** Slots of the table. */
  get size(): number {
    return this.#size
  }

  update(members: readonly E[], usable: readonly E[]): void {
    if (this.#members.update(members, usable)) this.#table = fill(this.#members.all, this.#size)
  }

  pick(hash: number | undefined): E | undefined {
    const members = this.#members
    if (members.usable === 0) return undefined
    const place = hash === undefined ? Math.floor(this.#random() * 2 ** 32) : highLane(hash)
    let slot = place % this.#size
    for (let step = 0; step < this.#size; step += 1) {
      const owner = this.#table[slot] ?? 0
      if (members.isUsable(owner)) return members.all[owner]
      slot = slot + 1 === this.#size ? 0 : slot + 1
    }
    // More members than slots, and those that may be chosen have none.
    return members.all.find((_, number) => members.isUsable(number))
  }
}

function fill(members: readonly ClusterEndpoint[], size: number): Uint16Array | Uint32Array {
  const isNarrow = members.length < 2 ** 16
  const free = isNarrow ? 2 ** 16 - 1 : 2 ** 32 - 1
  const table = (isNarrow ? new Uint16Array(size) : new Uint32Array(size)).fill(free)
  if (members.length === 0) return table
  const heaviest = members.reduce((most, { weight }) => Math.max(most, weight), 0)
  const shares = Float64Array.from(members, ({ weight }) => weight / heaviest)
  // All have their first turn in the first round, so that as many as possible have a slot at all.
  const credits = shares.map(share => 1 - share)
  const slots = Uint32Array.from(members, ({ key }) => murmur3(key, 0x1b56c4e9) % size)
  const skips = Uint32Array.from(members, ({ key }) => (murmur3(key, 0x7feb352d) % (size - 1)) + 1)
  for (let filled = 0; ; ) {
    for (let number = 0; number < members.length; number += 1) {
      const credit = (credits[number] ?? 0) + (shares[number] ?? 0)
      if (credit < 1) {
        credits[number] = credit
        continue
      }
      credits[number] = credit - 1
      let slot = slots[number] ?? 0
      const skip = skips[number] ?? 1
      while (table[slot] !== free) slot = slot + skip < size ? slot + skip : slot + skip - size
      table[slot] = number
      slots[number] = slot
      filled += 1
      if (filled === size) return table
    }
  }
}

function primeFrom(size: number): number {
  for (let candidate = Math.max(2, size); ; candidate += 1) if (isPrime(candidate)) return candidate
}

function isPrime(number: number): boolean {
  for (let divisor = 2; divisor * divisor <= number; divisor += 1) if (number % divisor === 0) return false
  return true
}
