/** What was made for a key, kept for the next time. */
export interface Memo<Key, Value> {
  get(key: Key, make: (key: Key) => Value): Value
}

/**
 * Keeps at most `limit` values. One more and all are forgotten: what is asked for often is made again soon, and keys that
 * callers choose cannot fill the memory.
 */
export function createMemo<Key, Value>(limit: number): Memo<Key, Value> {
  const kept = new Map<Key, { readonly value: Value }>()
  return {
    get(key, make) {
      const known = kept.get(key)
      if (known !== undefined) return known.value
      const value = make(key)
      if (kept.size >= limit) kept.clear()
      kept.set(key, { value })
      return value
    },
  }
}
