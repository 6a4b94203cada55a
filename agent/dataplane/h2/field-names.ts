/** What a field's name means for the message it stands in. */
export const fieldKind = {
  plain: 0,
  /** No token, or a case the wire does not have. */
  malformed: 1,
  /** Of a connection and not of a message: RFC 9113 section 8.2.2. */
  connection: 2,
  te: 3,
  contentLength: 4,
  upgrade: 5,
} as const

export type FieldKind = (typeof fieldKind)[keyof typeof fieldKind]

/** Names that repeat; whoever invents more pays for it alone. */
const maxKnown = 256

const specials: ReadonlyMap<string, FieldKind> = new Map<string, FieldKind>([
  ['connection', fieldKind.connection],
  ['proxy-connection', fieldKind.connection],
  ['keep-alive', fieldKind.connection],
  ['transfer-encoding', fieldKind.connection],
  ['http2-settings', fieldKind.connection],
  ['upgrade', fieldKind.upgrade],
  ['te', fieldKind.te],
  ['content-length', fieldKind.contentLength],
])

const lowerCaseToken = octets(/[!#$%&'*+\-.^_`|~0-9a-z]/)
const token = octets(/[!#$%&'*+\-.^_`|~0-9A-Za-z]/)

/** What the names of a connection's fields mean, judged once for each name as names repeat with every message. */
export class FieldNames {
  readonly #keepsCase: boolean
  readonly #known = new Map<string, FieldKind>()

  /** `keepsCase`: names may have upper-case letters, and compare without case. */
  constructor(keepsCase: boolean) {
    this.#keepsCase = keepsCase
  }

  kindOf(name: string): FieldKind {
    const known = this.#known.get(name)
    if (known !== undefined) return known
    const kind = this.#judge(name)
    if (this.#known.size < maxKnown && name.length <= 64) this.#known.set(name, kind)
    return kind
  }

  #judge(name: string): FieldKind {
    if (!consistsOf(name, this.#keepsCase ? token : lowerCaseToken)) return fieldKind.malformed
    return specials.get(this.#keepsCase ? name.toLowerCase() : name) ?? fieldKind.plain
  }
}

/** Whether a text is not empty and has only octets that the table allows. */
export function consistsOf(text: string, allowed: Uint8Array): boolean {
  if (text.length === 0) return false
  for (let at = 0; at < text.length; at += 1) if (allowed[text.charCodeAt(at)] !== 1) return false
  return true
}

/** The table of the octets that a pattern of one character matches. */
export function octets(pattern: RegExp): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, octet) => (pattern.test(String.fromCharCode(octet)) ? 1 : 0))
}
