/** Answers kept by token, the least used given up first. */
export interface VerifiedTokens<Value> {
  get(token: string): Value | undefined
  set(token: string, value: Value): void
  delete(token: string): void
}

/** Keeps at most `maxEntries` answers, and tokens of at most `maxLength` characters in all. */
export function createVerifiedTokens<Value>(maxEntries: number, maxLength: number): VerifiedTokens<Value> {
  const kept = new Map<string, Value>()
  let length = 0

  function remove(token: string): void {
    if (kept.delete(token)) length -= token.length
  }

  return {
    get(token) {
      const value = kept.get(token)
      if (value === undefined) return undefined
      kept.delete(token)
      kept.set(token, value)
      return value
    },
    set(token, value) {
      remove(token)
      kept.set(token, value)
      length += token.length
      for (const oldest of kept.keys()) {
        if (kept.size <= maxEntries && length <= maxLength) break
        remove(oldest)
      }
    },
    delete: remove,
  }
}
