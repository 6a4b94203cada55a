import { isWildcard } from './hosts.ts'

/** Finds the longest wildcard that a name fits. */
export interface WildcardTable<Value> {
  /** A wildcard stands for at least one character: `.acme.example` does not fit `*.acme.example` (Envoy's virtual hosts). */
  find(name: string): Value | undefined
}

/** Takes values by wildcard host; other hosts are passed over. A look-up costs one step for each length there is. */
export function createWildcardTable<Value>(values: Iterable<readonly [string, Value]>): WildcardTable<Value> {
  const byLength = new Map<number, Map<string, Value>>()
  for (const [host, value] of values) {
    if (!isWildcard(host)) continue
    const suffix = host.slice(1)
    const same = byLength.get(suffix.length) ?? new Map<string, Value>()
    byLength.set(suffix.length, same.set(suffix, value))
  }
  const tables = [...byLength].toSorted(([a], [b]) => b - a).map(([length, bySuffix]) => ({ length, bySuffix }))
  return {
    find(name) {
      for (const { length, bySuffix } of tables) {
        if (length >= name.length) continue
        const value = bySuffix.get(name.slice(name.length - length))
        if (value !== undefined) return value
      }
      return undefined
    },
  }
}
