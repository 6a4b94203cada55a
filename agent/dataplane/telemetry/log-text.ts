/** Text for lines of logs: whatever a peer says stays inside of its field, and steers no terminal. */

let lastSecond = -1
let secondText = ''

/** RFC 3339 with milliseconds; the date part is kept for as long as its second lasts. */
export function timestamp(now: number): string {
  const second = Math.floor(now / 1000)
  if (second !== lastSecond) {
    lastSecond = second
    secondText = new Date(second * 1000).toISOString().slice(0, 20)
  }
  const ms = Math.floor(now - second * 1000)
  return `${secondText}${ms < 10 ? '00' : ms < 100 ? '0' : ''}${ms}Z`
}

/** Texts of names that come again and again. */
class Names {
  readonly #texts = new Map<string, string>()
  readonly #make: (name: string) => string

  constructor(make: (name: string) => string) {
    this.#make = make
  }

  of(name: string): string {
    let text = this.#texts.get(name)
    if (text === undefined) {
      // Emptied rather than let grow: names may come from peers.
      if (this.#texts.size > 10_000) this.#texts.clear()
      text = this.#make(name)
      this.#texts.set(name, text)
    }
    return text
  }
}

const jsonNames = new Names(jsonText)
const bareNames = new Names(bareText)
const quotedNames = new Names(quotedText)

/** {@link jsonText} of a name that comes again and again. */
export function jsonName(name: string): string {
  return jsonNames.of(name)
}

/** {@link bareText} of such a name. */
export function bareName(name: string): string {
  return bareNames.of(name)
}

/** {@link quotedText} of such a name. */
export function quotedName(name: string): string {
  return quotedNames.of(name)
}

/** What JSON leaves as it is and a terminal may obey, or a reader of lines may break at: DEL, C1, U+2028 and U+2029. */
const unsafeInJson = /[\u007f-\u009f\u2028\u2029]/g

/** The same text in one piece: one that was put together is copied each time it becomes part of another. */
export function flat(text: string): string {
  return Buffer.from(text).toString()
}

/** JSON text of anything. */
export function jsonText(text: string): string {
  if (isPlain(text)) return `"${text}"`
  return JSON.stringify(text).replace(unsafeInJson, unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Text for between double quotes: `-` for nothing, `\"`, `\\`, and `\xNN` for whatever is not visible ASCII. */
export function quotedText(text: string): string {
  if (text === '') return '-'
  return isPlain(text) ? text : text.replace(notPlain, escaped)
}

/** The same for a field without quotes, in which neither a blank nor a quote may stand. */
export function bareText(text: string): string {
  if (text === '') return '-'
  return isPlain(text) && !text.includes(' ') ? text : text.replace(notBare, bareUnit)
}

const notPlain = /[^ !#-[\]-~]/g
const notBare = /[^!#-[\]-~]/g

function isPlain(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at)
    if (unit < 0x20 || unit > 0x7e || unit === 0x22 || unit === 0x5c) return false
  }
  return true
}

function escaped(unit: string): string {
  return unit === '"' || unit === '\\' ? `\\${unit}` : hex(unit)
}

function bareUnit(unit: string): string {
  return unit === ' ' ? '_' : hex(unit)
}

function hex(unit: string): string {
  const code = unit.charCodeAt(0)
  return code > 0xff ? `\\u${code.toString(16).padStart(4, '0')}` : `\\x${code.toString(16).padStart(2, '0')}`
}
