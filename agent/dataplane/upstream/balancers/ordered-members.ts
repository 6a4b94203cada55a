import type { ClusterEndpoint } from '../endpoint.ts'

/** Members in the order of their keys, on which all callers agree whatever order they learnt them in. */
export class OrderedMembers<E extends ClusterEndpoint> {
  /** As they were given. */
  #given: readonly E[] = []
  #members: readonly E[] = []
  #isUsable = new Uint8Array(0)
  #usable = 0

  /** Takes members and those of them that may be chosen. True when the keys or weights are not those of before. */
  update(members: readonly E[], usable: readonly E[]): boolean {
    const chosen = new Set(usable)
    // Only health has changed when the very list comes again, and not which of two entries of one address stands for both.
    const isSame = members === this.#given && members.length === this.#members.length
    const before = this.#members
    if (!isSame) {
      this.#given = members
      this.#members = ordered(members, chosen)
    }
    this.#isUsable = Uint8Array.from(this.#members, member => (chosen.has(member) ? 1 : 0))
    this.#usable = this.#isUsable.reduce((sum, one) => sum + one, 0)
    return !isSame && !haveSameKeysAndWeights(this.#members, before)
  }

  get all(): readonly E[] {
    return this.#members
  }

  /** How many may be chosen. */
  get usable(): number {
    return this.#usable
  }

  isUsable(index: number): boolean {
    return this.#isUsable[index] === 1
  }
}

/** One member per address: it may be listed twice, and then one that may be chosen stands for both. */
function ordered<E extends ClusterEndpoint>(members: readonly E[], chosen: ReadonlySet<E>): readonly E[] {
  const byKey = new Map<string, E>()
  for (const member of members) if (chosen.has(member) || !byKey.has(member.key)) byKey.set(member.key, member)
  return [...byKey.values()].sort((one, other) => (one.key < other.key ? -1 : 1))
}

function haveSameKeysAndWeights(members: readonly ClusterEndpoint[], others: readonly ClusterEndpoint[]): boolean {
  return (
    members.length === others.length &&
    members.every(({ key, weight }, index) => key === others[index]?.key && weight === others[index].weight)
  )
}
