import { createRequire } from 'node:module'
import type * as Re2js from 're2js'
import { octetsOf, textOf } from './octets.ts'
import { limitProblem } from './regex-limits.ts'

/**
 * A regular expression of operators, in RE2's syntax, that takes time linear in what it is asked about: expressions of
 * operators meet values of strangers, and JavaScript's own can be made to run for years. Values are octets, one unit each,
 * and are read as UTF-8; in what is none, nothing is found, since an octet that is no character matches nothing of RE2's.
 */
export interface LinearPattern {
  /** Whether all of the value matches. */
  matches(octets: string): boolean
  /** Every match replaced, leftmost first; in `rewrite`, `\1` is what the first group took and `\0` all of the match. */
  replaceAll(octets: string, rewrite: string): string
}

/** Why an expression cannot be used, reading on after it: its syntax, or its size once written out. */
export function patternProblem(expression: string): string | undefined {
  try {
    parse(expression)
    return undefined
  } catch (error) {
    if (error instanceof SyntaxError) return error.message
    throw error
  }
}

/** Compiles an expression. What RE2 would refuse throws a SyntaxError: documents are checked before. */
export function compilePattern(expression: string): LinearPattern {
  const parsed = parse(expression)
  // its tables are made when it first matches: better now than in a request
  parsed.matches('')
  return {
    matches(octets) {
      const text = utf8Of(octets)
      return text !== undefined && parsed.matches(text)
    },
    replaceAll(octets, rewrite) {
      const text = utf8Of(octets)
      return text === undefined ? octets : octetsOf(replaceAll(parsed, text, rewrite))
    },
  }
}

/**
 * Loaded by the first expression there is: most agents never see one, and it takes 7 MiB of each of their threads. Routes
 * are compiled without waiting for anything, so it cannot be `import()`.
 */
function library(): typeof Re2js {
  return createRequire(import.meta.url)('re2js')
}

function parse(expression: string): Re2js.RE2JS {
  const problem = limitProblem(expression)
  if (problem !== undefined) throw new SyntaxError(problem)
  const { RE2JS, RE2JSException } = library()
  try {
    return RE2JS.compile(expression)
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error
    throw new SyntaxError(`cannot be read (${error.message.replace(/^error parsing regexp: /, '')})`, { cause: error })
  }
}

/** Undefined where octets are no UTF-8. */
function utf8Of(octets: string): string | undefined {
  const text = textOf(octets)
  return text !== octets && text.includes('\ufffd') && octetsOf(text) !== octets ? undefined : text
}

/** RE2's `GlobalReplace`: an empty match right after a match is no further one. */
function replaceAll(pattern: Re2js.RE2JS, text: string, rewrite: string): string {
  const matcher = pattern.matcher(text)
  let result = ''
  let copied = 0
  let lastEnd = -1
  for (let at = 0; at <= text.length && matcher.find(at); ) {
    const start = matcher.start()
    const end = matcher.end()
    if (start < end || start !== lastEnd) {
      result += text.slice(copied, start) + expand(rewrite, matcher)
      copied = end
      lastEnd = end
    }
    at = end > start ? end : end + ((text.codePointAt(end) ?? 0) > 0xffff ? 2 : 1)
  }
  return result + text.slice(copied)
}

function expand(rewrite: string, matcher: Re2js.Matcher): string {
  return rewrite.replace(/\\([0-9\\])/g, (_, what: string) => {
    if (what === '\\') return what
    const group = Number(what)
    return group > matcher.groupCount() ? '' : (matcher.group(group) ?? '')
  })
}
