import type { ClusterEndpoint } from '../endpoint.ts'

/** Members in the order of their keys, on which all callers agree whatever order they learnt them in. */
export class OrderedMembers<E extends ClusterEndpoint> {
  #members: readonly E[] = []
  #isUsable = new Uint8Array(0)
  #usable = 0

  /** Takes members and those of them that may be chosen. True when the keys or weights are not those of before. */
  update(members: readonly E[], usable: readonly E[]): boolean {
    const before = this.#members
    const chosen = new Set(usable)
    const byKey = new Map<string, E>()
    // An address may be listed twice; one that may be chosen stands for both.
    for (const member of members) if (chosen.has(member) || !byKey.has(member.key)) byKey.set(member.key, member)
    const ordered = [...byKey.values()].sort((one, other) => (one.key < other.key ? -1 : 1))
    this.#members = ordered
    this.#isUsable = Uint8Array.from(ordered, member => (chosen.has(member) ? 1 : 0))
    this.#usable = ordered.filter(member => chosen.has(member)).length
    return (
      ordered.length !== before.length ||
      ordered.some((member, index) => member.key !== before[index]?.key || member.weight !== before[index].weight)
    )
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
