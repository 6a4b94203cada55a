/** A regular expression in parts, and what a single character of one may be. */
export type Node =
  | { readonly kind: 'empty' }
  | { readonly kind: 'char'; readonly set: CharSet }
  | { readonly kind: 'concat' | 'alternate'; readonly items: readonly Node[] }
  /** `max` is undefined where there is no end. */
  | {
      readonly kind: 'repeat'
      readonly item: Node
      readonly min: number
      readonly max: number | undefined
      readonly greedy: boolean
    }
  | { readonly kind: 'group'; readonly item: Node; readonly index: number }
  | { readonly kind: 'assert'; readonly assert: Assertion }

export type Assertion = 'text-start' | 'text-end' | 'line-start' | 'line-end' | 'word' | 'not-word'

/** Characters, by code point. */
export interface CharSet {
  /** The only one there is; -1 where there are several. */
  readonly only: number
  has(codePoint: number): boolean
}

/**
 * The characters of a class, given as JavaScript writes one (`[a-z]`, flag `u`). One character is tested at a time, so
 * nothing can backtrack; ASCII is looked up.
 */
export function charSet(source: string, ignoreCase: boolean): CharSet {
  const one = new RegExp(`^${source}$`, ignoreCase ? 'iu' : 'u')
  const ascii = Array.from({ length: 128 }, (_, code) => one.test(String.fromCharCode(code)))
  return { only: -1, has: code => (code < 128 ? ascii[code] === true : one.test(String.fromCodePoint(code))) }
}

/** One character, as it is or in either case. */
export function literalSet(codePoint: number, ignoreCase: boolean): CharSet {
  if (ignoreCase) return charSet(`[${classText(codePoint)}]`, true)
  return { only: codePoint, has: code => code === codePoint }
}

/** A code point as it is written inside a class. */
export function classText(codePoint: number): string {
  return `\\u{${codePoint.toString(16)}}`
}
