/**
 * Which service an instance belongs to. One that was registered anew under another service name may stand in two
 * answers for a moment: the newer write counts.
 */
export interface Owners {
  /** The service that an id belongs to; undefined for one that nobody claims. */
  of(id: string): string | undefined
  /** Other services that claim one of these ids too. */
  rivals(name: string, ids: Iterable<string>): ReadonlySet<string>
  /** A service gives up these ids and claims those with a revision. */
  claim(name: string, ids: Iterable<string>, revisions: ReadonlyMap<string, number>): void
}

interface Claim {
  readonly name: string
  readonly revision: number
}

/** Nobody claims anything. */
export function createOwners(): Owners {
  /** Newest first. */
  const claims = new Map<string, readonly Claim[]>()
  return {
    of: id => claims.get(id)?.[0]?.name,
    rivals(name, ids) {
      const others = [...ids].flatMap(id => (claims.get(id) ?? []).map(claim => claim.name))
      return new Set(others.filter(other => other !== name))
    },
    claim(name, ids, revisions) {
      for (const id of ids) {
        const revision = revisions.get(id)
        const others = (claims.get(id) ?? []).filter(claim => claim.name !== name)
        const all = revision === undefined ? others : [...others, { name, revision }].sort(byRevision)
        if (all.length === 0) claims.delete(id)
        else claims.set(id, all)
      }
    },
  }
}

function byRevision(a: Claim, b: Claim): number {
  return b.revision - a.revision || (a.name < b.name ? -1 : 1)
}
