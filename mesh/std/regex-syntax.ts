/**
 * Checks regular expressions against RE2's syntax, as Go's regexp/syntax reads it: what a linear-time engine can run and
 * nothing more. Nothing is matched here.
 */

const categories = new Set(
  ['C', 'Cc', 'Cf', 'Co', 'Cs', 'L', 'Ll', 'Lm', 'Lo', 'Lt', 'Lu', 'M', 'Mc', 'Me', 'Mn', 'N', 'Nd', 'Nl', 'No'].concat(
    ['P', 'Pc', 'Pd', 'Pe', 'Pf', 'Pi', 'Po', 'Ps', 'S', 'Sc', 'Sk', 'Sm', 'So', 'Z', 'Zl', 'Zp', 'Zs', 'Any'],
  ),
)
/** Scripts whose full name has four letters; other names of four letters are codes, which RE2 does not know. */
const shortScripts = new Set(['Ahom', 'Cham', 'Kawi', 'Lisu', 'Newa', 'Thai', 'Toto'])
const posixClasses = new Set(
  ['alnum', 'alpha', 'ascii', 'blank', 'cntrl', 'digit', 'graph', 'lower', 'print', 'punct', 'space'].concat([
    'upper',
    'word',
    'xdigit',
  ]),
)
/** Largest count of a repetition, and largest product of counts inside each other. */
const maxRepeat = 1000

/** One open group: what stands in it, as the largest number of times that something in it is repeated. */
interface Group {
  /** Of everything in the group so far. */
  weight: number
  /** Of what a repetition would apply to; undefined where there is nothing to repeat. */
  last: number | undefined
}

interface Reader {
  readonly text: string
  at: number
  /** True directly after a repetition. */
  repeated: boolean
  readonly groups: Group[]
  readonly names: Set<string>
}

/** What is wrong with an expression, reading on after it; undefined when RE2 would take it. */
export function regexProblem(text: string): string | undefined {
  const reader: Reader = { text, at: 0, repeated: false, groups: [{ weight: 1, last: undefined }], names: new Set() }
  while (reader.at < text.length) {
    const problem = step(reader)
    if (problem !== undefined) return problem
  }
  return reader.groups.length > 1 ? 'has a ( that is not closed' : undefined
}

function step(reader: Reader): string | undefined {
  const char = reader.text[reader.at] ?? ''
  if (char === '*' || char === '+' || char === '?') return repeat(reader, 1, char, 1, 1)
  const count = char === '{' ? /^\{(\d{1,8})(,(\d{0,8}))?\}/.exec(reader.text.slice(reader.at)) : null
  if (count !== null) {
    const [all, from = '', comma, to = ''] = count
    const min = Number(from)
    const max = comma === undefined ? min : to === '' ? undefined : Number(to)
    return repeat(reader, all.length, all, min, max)
  }
  reader.repeated = false
  if (char === '(') return open(reader)
  if (char === ')') return close(reader)
  if (char === '|') {
    group(reader).last = undefined
    reader.at += 1
    return undefined
  }
  if (char === '[') return item(reader, classProblem(reader))
  if (char === '\\') return escaped(reader)
  reader.at += char >= '\ud800' && char <= '\udbff' ? 2 : 1
  return item(reader, undefined)
}

/** The innermost open group; the outermost is never closed. */
function group(reader: Reader): Group {
  const found = reader.groups.at(-1)
  if (found === undefined) throw new RangeError('the outermost group is gone')
  return found
}

function item(reader: Reader, problem: string | undefined, weight = 1): string | undefined {
  const into = group(reader)
  into.last = weight
  into.weight = Math.max(into.weight, weight)
  return problem
}

function repeat(reader: Reader, length: number, sign: string, min: number, max: number | undefined) {
  const into = group(reader)
  if (into.last === undefined) return `has nothing that ${sign} could repeat`
  if (reader.repeated) return `has ${sign} directly after another repetition`
  if (min > maxRepeat || (max ?? 0) > maxRepeat || (max !== undefined && min > max)) {
    return `has a repetition ${sign} that is not from small to large and at most ${maxRepeat}`
  }
  const times = max === 0 ? 0 : Math.max(1, max ?? min)
  const weight = times === 0 ? 1 : into.last * times
  if (weight > maxRepeat) return `repeats more than ${maxRepeat} times in all`
  into.weight = Math.max(into.weight, weight)
  into.last = weight
  reader.at += length
  // a lazy repetition is one
  if (reader.text[reader.at] === '?') reader.at += 1
  reader.repeated = true
  return undefined
}

function open(reader: Reader): string | undefined {
  const rest = reader.text.slice(reader.at)
  if (!rest.startsWith('(?')) return enter(reader, 1)
  const named = /^\(\?P?<([A-Za-z0-9_]+)>/.exec(rest)
  if (named !== null) {
    const [all, name = ''] = named
    if (reader.names.has(name)) return `has two groups called ${name}`
    reader.names.add(name)
    return enter(reader, all.length)
  }
  const flags = /^\(\?[imsU]*(?:-[imsU]+)?([:)])/.exec(rest)
  if (flags === null) return `has ${rest.slice(0, 4)}, which RE2 does not know`
  if (flags[1] === ':') return enter(reader, flags[0].length)
  reader.at += flags[0].length
  return undefined
}

function enter(reader: Reader, length: number): undefined {
  reader.groups.push({ weight: 1, last: undefined })
  reader.at += length
}

function close(reader: Reader): string | undefined {
  if (reader.groups.length === 1) return 'has a ) that nothing opens'
  const inner = reader.groups.pop()
  reader.at += 1
  return item(reader, undefined, inner?.weight)
}

function escaped(reader: Reader): string | undefined {
  const next = reader.text[reader.at + 1]
  if (next === 'Q') {
    const end = reader.text.indexOf('\\E', reader.at)
    const quoted = reader.text.slice(reader.at + 2, end === -1 ? undefined : end)
    reader.at = end === -1 ? reader.text.length : end + 2
    return quoted === '' ? undefined : item(reader, undefined)
  }
  if (next !== undefined && 'AbBz'.includes(next)) {
    reader.at += 2
    return item(reader, undefined)
  }
  const set = setEscape(reader)
  if (set !== undefined) return item(reader, set ?? undefined)
  return item(reader, charEscape(reader))
}

/** Reads `\d`, `\pL` and their like; null when there is one, undefined when there is none, text when it is wrong. */
function setEscape(reader: Reader): string | null | undefined {
  const rest = reader.text.slice(reader.at)
  if (/^\\[dDsSwW]/.test(rest)) {
    reader.at += 2
    return null
  }
  if (!/^\\[pP]/.test(rest)) return undefined
  const found = /^\\[pP](?:\{\^?([A-Za-z_]+)\}|([A-Za-z]))/.exec(rest)
  const name = found?.[1] ?? found?.[2]
  if (found === null || name === undefined || !isUnicodeClass(name)) return 'has \\p with a name that RE2 does not know'
  reader.at += found[0].length
  return null
}

function isUnicodeClass(name: string): boolean {
  if (categories.has(name)) return true
  if (name.length < 3 || (name.length === 4 && !shortScripts.has(name))) return false
  try {
    new RegExp(`\\p{Script=${name}}`, 'u')
    return true
  } catch {
    return false
  }
}

/** Reads an escaped character; says what is wrong with it. */
function charEscape(reader: Reader): string | undefined {
  const found = charEscapeAt(reader)
  return found === undefined
    ? `has the escape ${reader.text.slice(reader.at, reader.at + 2)}, which RE2 does not know`
    : undefined
}

/** The code of the character that an escape stands for, having read it; undefined when it is none. */
function charEscapeAt(reader: Reader): number | undefined {
  const rest = reader.text.slice(reader.at)
  const found =
    /^\\(?:x\{([0-9A-Fa-f]{1,8})\}|x([0-9A-Fa-f]{2})|(0[0-7]{0,2}|[1-7][0-7]{1,2})|([afnrtv])|([\x20-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]))/.exec(
      rest,
    )
  if (found === null) return undefined
  const [all, long, short, octal, letter, mark] = found
  const code =
    long !== undefined || short !== undefined
      ? Number.parseInt(long ?? short ?? '', 16)
      : octal !== undefined
        ? Number.parseInt(octal, 8)
        : letter !== undefined
          ? ({ a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 }[letter] ?? 0)
          : (mark?.charCodeAt(0) ?? 0)
  if (code > 0x10ffff) return undefined
  reader.at += all.length
  return code
}

/** Reads a set in brackets; says what is wrong with it. */
function classProblem(reader: Reader): string | undefined {
  const { text } = reader
  reader.at += text[reader.at + 1] === '^' ? 2 : 1
  for (let first = true; first || text[reader.at] !== ']'; first = false) {
    if (reader.at >= text.length) return 'has a [ that is not closed'
    const posix = /^\[:\^?([^\]]*?):\]/.exec(text.slice(reader.at))
    if (posix !== null) {
      if (!posixClasses.has(posix[1] ?? '')) return `has ${posix[0]}, which RE2 does not know`
      reader.at += posix[0].length
      continue
    }
    const set = setEscape(reader)
    if (set === null) continue
    if (set !== undefined) return set
    const low = classChar(reader)
    if (typeof low === 'string') return low
    if (text[reader.at] !== '-' || text[reader.at + 1] === ']' || reader.at + 1 >= text.length) continue
    reader.at += 1
    const high = classChar(reader)
    if (typeof high === 'string') return high
    if (high < low) return 'has a range in brackets that runs backwards'
  }
  reader.at += 1
  return undefined
}

/** The code of one character in brackets, having read it; text when it is wrong. */
function classChar(reader: Reader): number | string {
  if (reader.text[reader.at] === '\\') {
    const at = reader.at
    const code = charEscapeAt(reader)
    return code ?? `has the escape ${reader.text.slice(at, at + 2)}, which RE2 does not know in brackets`
  }
  const code = reader.text.codePointAt(reader.at) ?? 0
  reader.at += code > 0xffff ? 2 : 1
  return code
}
