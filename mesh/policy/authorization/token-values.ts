import type { VerifiedToken } from '../call.ts'
import type { TextMatcher } from './text-matcher.ts'

/** Whether a claim's text, or one element of its list, matches; numbers and booleans never do, as in Istio. */
export function claimMatches(claim: unknown, matches: TextMatcher): boolean {
  if (typeof claim === 'string') return matches(claim)
  if (!Array.isArray(claim)) return false
  for (const element of claim) if (typeof element === 'string' && matches(element)) return true
  return false
}

/** Whether one of the words of a text matches: `scope` is a list in a text (RFC 8693 section 4.2). */
export function wordMatches(claim: unknown, matches: TextMatcher): boolean {
  if (typeof claim !== 'string') return claimMatches(claim, matches)
  for (const word of claim.split(' ')) if (word !== '' && matches(word)) return true
  return false
}

/** The value at a path of names, each in the object before; undefined where one is missing. */
export function claimAt(token: VerifiedToken | undefined, path: readonly string[]): unknown {
  let value: unknown = token?.claims
  for (const name of path) {
    if (!isObject(value) || !Object.hasOwn(value, name)) return undefined
    value = value[name]
  }
  return value
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The names in `claims[a][b]`, from behind `claims`; undefined for what is not of that form. */
export function claimPath(brackets: string): readonly string[] | undefined {
  if (!brackets.startsWith('[') || !brackets.endsWith(']')) return undefined
  const names = brackets.slice(1, -1).split('][')
  return names.some(name => name === '' || /[[\]]/.test(name)) ? undefined : names
}

/** A claim for people to read; undefined when it is not there. */
export function claimText(claim: unknown): string | undefined {
  if (claim === undefined) return undefined
  return typeof claim === 'string' ? claim : JSON.stringify(claim)
}
