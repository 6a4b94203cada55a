const nanoseconds: ReadonlyMap<string, bigint> = new Map([
  ['ns', 1n],
  ['us', 1000n],
  // micro sign and Greek mu
  ['\u00b5s', 1000n],
  ['\u03bcs', 1000n],
  ['ms', 1_000_000n],
  ['s', 1_000_000_000n],
  ['m', 60_000_000_000n],
  ['h', 3_600_000_000_000n],
])

/** Go holds a duration as a signed 64-bit count of nanoseconds. */
const max = 2n ** 63n - 1n
/** Longest text that is looked at: nobody writes more, and digits cost. */
const maxLength = 128

/**
 * Reads a duration as Go's time.ParseDuration does: `300ms`, `1h30m`, `.5s`, `+5s`, `-1m`, and a plain `0`. Milliseconds,
 * with a fraction where it is finer; undefined for anything else (`5`, `1d`, `1 s`, what overflows 64 bits).
 */
export function parseDurationMs(text: string): number | undefined {
  if (text.length > maxLength) return undefined
  const negative = text.startsWith('-')
  const rest = negative || text.startsWith('+') ? text.slice(1) : text
  if (rest === '0') return 0
  const total = sumOf(rest)
  if (total === undefined || total > (negative ? max + 1n : max)) return undefined
  const ms = Number(total / 1_000_000n) + Number(total % 1_000_000n) / 1_000_000
  return negative && ms !== 0 ? -ms : ms
}

function sumOf(text: string): bigint | undefined {
  const part = /(\d*)(?:\.(\d*))?([a-z\u00b5\u03bc]+)/y
  let total = 0n
  let at = 0
  while (at < text.length) {
    part.lastIndex = at
    const found = part.exec(text)
    if (found === null) return undefined
    const [all, whole = '', fraction = '', unitName = ''] = found
    const unit = nanoseconds.get(unitName)
    if (unit === undefined || (whole === '' && fraction === '')) return undefined
    total += BigInt(whole) * unit
    // what is finer than a nanosecond is cut off
    if (fraction !== '') total += (BigInt(fraction) * unit) / 10n ** BigInt(fraction.length)
    at += all.length
  }
  return at === 0 ? undefined : total
}
