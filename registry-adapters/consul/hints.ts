/** Services that are new or whose set of tags differs from the list before: a hint that they are to be read. */
export function changedNames(
  before: ReadonlyMap<string, readonly string[]>,
  now: ReadonlyMap<string, readonly string[]>,
): readonly string[] {
  return [...now].flatMap(([name, tags]) => {
    const known = before.get(name)
    return known !== undefined && sameSet(new Set(known), new Set(tags)) ? [] : [name]
  })
}

/** True when both hold the same. */
export function sameSet(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every(item => b.has(item))
}
