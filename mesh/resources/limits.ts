import { Lexer } from 'yaml'

/** Largest text that is read, in bytes. */
export const maxTextBytes = 1 << 20
/** Deepest nesting of values. */
export const maxDepth = 64
/** Most values of one document, aliases followed. */
export const maxNodes = 200_000
/** Most words and punctuation marks of one text: hostile texts are mostly these, and each costs the parser time. */
const maxTokens = 250_000

/**
 * Looks at a text's tokens only, so that it costs little and cannot recurse: says what is too much of them, undefined
 * when the text may be parsed.
 */
export function exceedsTokenLimits(text: string): string | undefined {
  let tokens = 0
  let depth = 0
  for (const token of new Lexer().lex(text)) {
    const first = token.charAt(0)
    if (first === ' ' || first === '\n' || first === '\r' || first === '\t') continue
    tokens += 1
    if (token === '[' || token === '{') depth += 1
    if (token === ']' || token === '}') depth -= 1
    if (depth > maxDepth) return `is nested deeper than ${maxDepth} levels`
    if (tokens > maxTokens) return `has more than ${maxTokens} words and marks`
  }
  return undefined
}
