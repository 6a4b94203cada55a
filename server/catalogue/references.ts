/** Which owners refer to an item, kept while both change. */
export interface References {
  /** Replaces what `owner` refers to; nothing at all forgets it. */
  set(owner: string, items: Iterable<string>): void
  /** Owners that refer to the item. */
  ownersOf(item: string): Iterable<string>
}

/** An index without any reference. */
export function createReferences(): References {
  const itemsOf = new Map<string, ReadonlySet<string>>()
  const owners = new Map<string, Set<string>>()
  return {
    set(owner, items) {
      const now = new Set(items)
      for (const item of itemsOf.get(owner) ?? []) {
        if (now.has(item)) continue
        const others = owners.get(item)
        others?.delete(owner)
        if (others?.size === 0) owners.delete(item)
      }
      for (const item of now) {
        const others = owners.get(item)
        if (others === undefined) owners.set(item, new Set([owner]))
        else others.add(owner)
      }
      if (now.size === 0) itemsOf.delete(owner)
      else itemsOf.set(owner, now)
    },
    ownersOf: item => owners.get(item) ?? [],
  }
}
