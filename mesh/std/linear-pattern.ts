import { octetsOf, textOf } from './octets.ts'
import { createAutomaton } from './regex/automaton.ts'
import { compileProgram } from './regex/program.ts'
import { run } from './regex/run.ts'
import { regexProblem } from './regex-syntax.ts'

/**
 * A regular expression of operators, in RE2's syntax, that takes time linear in what it is asked about: expressions of
 * operators meet values of strangers, and JavaScript's own can be made to run for years. Values are octets, one unit each,
 * and are read as UTF-8.
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
    compilePattern(expression)
    return undefined
  } catch (error) {
    if (error instanceof SyntaxError) return error.message
    throw error
  }
}

/** Compiles an expression. What RE2 would refuse throws a SyntaxError: documents are checked before. */
export function compilePattern(expression: string): LinearPattern {
  const problem = regexProblem(expression)
  if (problem !== undefined) throw new SyntaxError(problem)
  const program = compileProgram(expression)
  const automaton = createAutomaton(program)
  return {
    matches: octets => automaton?.matches(octets) ?? run(program, textOf(octets), 0, true) !== undefined,
    replaceAll(octets, rewrite) {
      const text = textOf(octets)
      let result = ''
      let copied = 0
      let at = 0
      let lastEnd = -1
      while (at <= text.length) {
        const slots = run(program, text, at, false)
        if (slots === undefined) break
        const [start = 0, end = 0] = slots
        if (start === end && start === lastEnd) {
          // nothing, right after a match, is no further match
          at = end + ((text.codePointAt(end) ?? 0) > 0xffff ? 2 : 1)
          continue
        }
        result += text.slice(copied, start) + expand(rewrite, text, slots)
        copied = end
        lastEnd = end
        at = end > start ? end : end + ((text.codePointAt(end) ?? 0) > 0xffff ? 2 : 1)
      }
      return octetsOf(result + text.slice(copied))
    },
  }
}

function expand(rewrite: string, text: string, slots: readonly number[]): string {
  return rewrite.replace(/\\([0-9\\])/g, (_, what: string) => {
    if (what === '\\') return what
    const from = slots[2 * Number(what)] ?? -1
    return from < 0 ? '' : text.slice(from, slots[2 * Number(what) + 1])
  })
}
