/** Whether a text is one of those that are meant. */
export type TextMatcher = (text: string) => boolean

/**
 * Matches any of Istio's patterns: a whole text, `abc*`, `*abc`, or `*` for every text that is not empty. A `*` in the
 * middle, or a second one, is a letter like others.
 */
export function createTextMatcher(patterns: readonly string[]): TextMatcher {
  const exact = new Set<string>()
  const prefixes: string[] = []
  const suffixes: string[] = []
  let isPresence = false
  for (const pattern of patterns) {
    if (pattern === '*') isPresence = true
    else if (pattern.startsWith('*')) suffixes.push(pattern.slice(1))
    else if (pattern.endsWith('*')) prefixes.push(pattern.slice(0, -1))
    else exact.add(pattern)
  }
  if (isPresence) return text => text !== '' || exact.has('')
  const [only] = exact
  if (prefixes.length === 0 && suffixes.length === 0) {
    return exact.size === 1 ? text => text === only : text => exact.has(text)
  }
  return text => exact.has(text) || startsWithAny(text, prefixes) || endsWithAny(text, suffixes)
}

/** The same without regard to the case of letters: for host names. */
export function createFoldedMatcher(patterns: readonly string[]): TextMatcher {
  const matches = createTextMatcher(patterns.map(pattern => pattern.toLowerCase()))
  return text => matches(text.toLowerCase())
}

function startsWithAny(text: string, prefixes: readonly string[]): boolean {
  for (const prefix of prefixes) if (text.startsWith(prefix)) return true
  return false
}

function endsWithAny(text: string, suffixes: readonly string[]): boolean {
  for (const suffix of suffixes) if (text.endsWith(suffix)) return true
  return false
}
