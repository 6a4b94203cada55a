import { classText } from './syntax-tree.ts'

/** Reads RE2's classes and escapes, and says them as JavaScript does inside a class with the flag `u`. */

/** RE2's Perl classes are ASCII, and `\s` has no vertical tab. */
const perl: Readonly<Record<string, string>> = {
  d: '0-9',
  D: '\\0-\\x2f\\x3a-\\u{10ffff}',
  s: '\\t\\n\\f\\r\\x20',
  S: '\\0-\\x08\\x0b\\x0e-\\x1f\\x21-\\u{10ffff}',
  w: '0-9A-Za-z_',
  W: '\\0-\\x2f\\x3a-\\x40\\x5b-\\x5e\\x60\\x7b-\\u{10ffff}',
}

/** Each with its complement. */
const posix: Readonly<Record<string, readonly [string, string]>> = {
  alnum: ['0-9A-Za-z', '\\0-\\x2f\\x3a-\\x40\\x5b-\\x60\\x7b-\\u{10ffff}'],
  alpha: ['A-Za-z', '\\0-\\x40\\x5b-\\x60\\x7b-\\u{10ffff}'],
  ascii: ['\\0-\\x7f', '\\x80-\\u{10ffff}'],
  blank: ['\\t\\x20', '\\0-\\x08\\x0a-\\x1f\\x21-\\u{10ffff}'],
  cntrl: ['\\0-\\x1f\\x7f', '\\x20-\\x7e\\x80-\\u{10ffff}'],
  digit: ['0-9', '\\0-\\x2f\\x3a-\\u{10ffff}'],
  graph: ['\\x21-\\x7e', '\\0-\\x20\\x7f-\\u{10ffff}'],
  lower: ['a-z', '\\0-\\x60\\x7b-\\u{10ffff}'],
  print: ['\\x20-\\x7e', '\\0-\\x1f\\x7f-\\u{10ffff}'],
  punct: ['\\x21-\\x2f\\x3a-\\x40\\x5b-\\x60\\x7b-\\x7e', '\\0-\\x20\\x30-\\x39A-Za-z\\x7f-\\u{10ffff}'],
  space: ['\\t-\\r\\x20', '\\0-\\x08\\x0e-\\x1f\\x21-\\u{10ffff}'],
  upper: ['A-Z', '\\0-\\x40\\x5b-\\u{10ffff}'],
  word: [perl.w ?? '', perl.W ?? ''],
  xdigit: ['0-9A-Fa-f', '\\0-\\x2f\\x3a-\\x40\\x47-\\x60\\x67-\\u{10ffff}'],
}

const controls: Readonly<Record<string, number>> = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 }

interface Escape {
  /** For inside a class. */
  readonly source: string
  /** Where it is a single character. */
  readonly codePoint: number | undefined
  readonly end: number
}

/** The escape that begins with the backslash at `at`. */
export function readEscape(text: string, at: number): Escape {
  const rest = text.slice(at + 1, at + 64)
  const letter = rest[0]
  if (letter === undefined) throw new SyntaxError('trailing \\')
  const named = perl[letter]
  if (named !== undefined) return { source: named, codePoint: undefined, end: at + 2 }
  if (letter === 'p' || letter === 'P') return readProperty(rest, at)
  const hex = /^x(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]{1,8})\})/.exec(rest)
  if (hex !== null) return single(Number.parseInt(hex[1] ?? hex[2] ?? '', 16), at + 1 + hex[0].length)
  const octal = /^(?:0[0-7]{0,2}|[1-7][0-7]{1,2})/.exec(rest)
  if (octal !== null) return single(Number.parseInt(octal[0], 8), at + 1 + octal[0].length)
  const control = controls[letter]
  if (control !== undefined) return single(control, at + 2)
  if (/[0-9A-Za-z]/.test(letter)) throw new SyntaxError(`unknown escape \\${letter}`)
  const codePoint = rest.codePointAt(0) ?? 0
  return single(codePoint, at + (codePoint > 0xffff ? 3 : 2))
}

function single(codePoint: number, end: number): Escape {
  return { source: classText(codePoint), codePoint, end }
}

/** `\pL`, `\p{Greek}`, `\p{^Greek}`, `\PL`. */
function readProperty(rest: string, at: number): Escape {
  const found = /^[pP](?:([A-Z])|\{(\^?)(\w+)\})/.exec(rest)
  if (found === null) throw new SyntaxError('unknown property')
  const [all, letter, not = '', long] = found
  const name = letter ?? long ?? ''
  const letterOf = (not === '^') === all.startsWith('P') ? 'p' : 'P'
  const category = name.length <= 2 || name === 'Any'
  const source = `\\${letterOf}{${category ? name : `Script=${name}`}}`
  return { source, codePoint: undefined, end: at + 1 + all.length }
}

/** The class in brackets that begins at `at`, brackets included. */
export function readBracket(text: string, at: number): { readonly source: string; readonly end: number } {
  let next = at + 1
  const not = text[next] === '^'
  if (not) next += 1
  let source = ''
  for (let first = true; first || text[next] !== ']'; first = false) {
    if (next >= text.length) throw new SyntaxError('missing ]')
    const named = /^\[:(\^?)(\w+):\]/.exec(text.slice(next, next + 16))
    if (named !== null) {
      source += posix[named[2] ?? '']?.[named[1] === '^' ? 1 : 0] ?? ''
      next += named[0].length
      continue
    }
    const from = readMember(text, next)
    next = from.end
    if (from.codePoint === undefined || text[next] !== '-' || text[next + 1] === ']') {
      source += from.source
      continue
    }
    const to = readMember(text, next + 1)
    next = to.end
    source += `${from.source}-${to.source}`
  }
  return { source: `[${not ? '^' : ''}${source}]`, end: next + 1 }
}

function readMember(text: string, at: number): Escape {
  if (text[at] === '\\') return readEscape(text, at)
  const codePoint = text.codePointAt(at) ?? 0
  return single(codePoint, at + (codePoint > 0xffff ? 2 : 1))
}
