import { Lexer } from 'yaml'

/** Largest text that is read, in bytes. */
export const maxTextBytes = 1 << 20
/** Deepest nesting of values. */
export const maxDepth = 64
/** Most values of one document, aliases followed. */
export const maxNodes = 200_000
/** Most words and punctuation marks of one text: hostile texts are mostly these, and each costs the parser time. */
const maxTokens = 250_000
/** Most lines and documents of one text: each has a price of its own. */
const maxTextLines = 200_000
const maxDocuments = 10_000

/**
 * Looks at a text's tokens only, so that it costs little and cannot recurse: says what is too much of them, undefined
 * when the text may be parsed.
 */
export function exceedsTokenLimits(text: string): string | undefined {
  let tokens = 0
  let depth = 0
  let lines = 0
  let documents = 0
  for (const token of new Lexer().lex(text)) {
    if (token === '\n' || token === '\r\n') lines += 1
    if (token === '---' || token === '...') documents += 1
    if (lines > maxTextLines) return `has more than ${maxTextLines} lines`
    if (documents > maxDocuments) return `has more than ${maxDocuments} documents`
    // blanks, and the control characters by which the lexer announces a document or a scalar
    if (token.charCodeAt(0) <= 0x20) continue
    tokens += 1
    if (token === '[' || token === '{') depth += 1
    if (token === ']' || token === '}') depth -= 1
    if (depth > maxDepth) return `is nested deeper than ${maxDepth} levels`
    if (tokens > maxTokens) return `has more than ${maxTokens} words and marks`
  }
  return undefined
}
