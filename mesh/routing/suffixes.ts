/** Finds the names that end in a text among many, without looking at each. */
export interface SuffixIndex<Entry> {
  /** In no particular order. */
  endingIn(suffix: string): Iterable<Entry>
}

/** Sorts entries by their names read backwards, so that names with one ending stand together. */
export function createSuffixIndex<Entry extends { readonly host: string }>(
  entries: readonly Entry[],
): SuffixIndex<Entry> {
  const sorted = entries
    .map(entry => ({ backwards: backwards(entry.host), entry }))
    .sort((a, b) => compare(a.backwards, b.backwards))

  function firstNotBefore(text: string): number {
    let low = 0
    let high = sorted.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const at = sorted[middle]
      if (at !== undefined && compare(at.backwards, text) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  return {
    *endingIn(suffix) {
      const start = backwards(suffix)
      for (let at = firstNotBefore(start); at < sorted.length; at += 1) {
        const found = sorted[at]
        if (found === undefined || !found.backwards.startsWith(start)) return
        yield found.entry
      }
    },
  }
}

function backwards(text: string): string {
  return text.split('').reverse().join('')
}

/** By UTF-16 units, as startsWith compares. */
function compare(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
