import { isIP } from 'node:net'
import { MeshError } from '../std/errors.ts'

/** The longest name of anything on the wire, in UTF-16 units. */
export const maxNameLength = 1024
/** The longest value of a label or a fact, and the longest sentence. */
export const maxTextLength = 4096
/** The longest PEM certificate. */
export const maxPemLength = 64 * 1024

// C0, DEL, C1 and the line separators would let a peer write into an operator's terminal or forge log lines.
const controlCharacters = /[\p{Cc}\u2028\u2029\ufffd]/u
const everyControlCharacter = /[\p{Cc}\u2028\u2029]/gu

/**
 * One decoded protobuf message while it is being checked. Each reader gives a value of our own type or throws a
 * WEFT_WIRE error with the path of the field; past it nothing needs a second look.
 */
export class Fields {
  readonly #raw: Readonly<Record<string, unknown>>
  /** Where this message stands: `resource service/shop/api`, `push.changed[3]`. */
  readonly path: string

  constructor(raw: unknown, path: string) {
    if (typeof raw !== 'object' || raw === null) throw malformed(path, 'is missing')
    this.#raw = raw as Readonly<Record<string, unknown>>
    this.path = path
  }

  /** True when an optional field, or one arm of a `oneof`, was sent. */
  has(field: string): boolean {
    return Object.hasOwn(this.#raw, field)
  }

  /** Which single one of the fields is set; none or several is an error. */
  oneOf<const Name extends string>(names: readonly Name[]): Name {
    const [found, ...more] = names.filter(name => this.has(name))
    if (found === undefined || more.length > 0)
      throw malformed(this.path, `must have exactly one of ${names.join(', ')}`)
    return found
  }

  /** Text without control characters; may be empty. */
  text(field: string, maxLength = maxTextLength): string {
    return checkText(this.#raw[field], this.#at(field), maxLength)
  }

  /** Text that must not be empty, such as a name or an identity. */
  name(field: string): string {
    return checkName(this.#raw[field], this.#at(field))
  }

  /** A name that may be absent, as a property to spread: `{}` or `{ [field]: name }`. */
  optionalName<const Field extends string>(field: Field): { readonly [key in Field]?: string } {
    return this.has(field) ? ({ [field]: this.name(field) } as { [key in Field]: string }) : {}
  }

  /** Prose of the other side, made harmless: control characters become spaces, and it is cut to its longest length. */
  sentence(field: string): string {
    const text = this.#raw[field]
    if (typeof text !== 'string') throw malformed(this.#at(field), 'is not text')
    return cleanSentence(text)
  }

  /** An IPv4 or IPv6 address without zone. */
  address(field: string): string {
    return checkAddress(this.#raw[field], this.#at(field))
  }

  /** A port, 1 to 65535. */
  port(field: string): number {
    return checkPort(this.#raw[field], this.#at(field))
  }

  /** A whole number from zero to 2^53-1. */
  integer(field: string): number {
    const raw = this.#raw[field]
    const value = typeof raw === 'string' ? Number(raw) : raw
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
      throw malformed(this.#at(field), 'is not a safe non-negative integer')
    }
    return value
  }

  /** A finite number that is not negative. */
  share(field: string): number {
    const value = this.#raw[field]
    if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) {
      throw malformed(this.#at(field), 'is not a non-negative number')
    }
    return value
  }

  flag(field: string): boolean {
    return this.#raw[field] === true
  }

  bytes(field: string, maxLength: number): Buffer {
    const value = this.#raw[field]
    if (!(value instanceof Uint8Array)) throw malformed(this.#at(field), 'is not bytes')
    if (value.length > maxLength) throw malformed(this.#at(field), `is longer than ${maxLength} bytes`)
    return Buffer.isBuffer(value) ? value : Buffer.from(value)
  }

  /** One of the values a protobuf enum name stands for; a number is an enum value this build does not know. */
  choice<Value>(field: string, values: ReadonlyMap<string, Value>): Value {
    const raw = this.#raw[field]
    const value = typeof raw === 'string' ? values.get(raw) : undefined
    if (value === undefined) throw malformed(this.#at(field), `has the unknown value ${String(raw)}`)
    return value
  }

  message(field: string): Fields {
    return new Fields(this.#raw[field], this.#at(field))
  }

  messages<Item>(field: string, maxCount: number, read: (item: Fields) => Item): Item[] {
    return this.list(field, maxCount, (item, path) => read(new Fields(item, path)))
  }

  /** A list; `read` is given each raw item and its path. */
  list<Item>(field: string, maxCount: number, read: (raw: unknown, path: string) => Item): Item[] {
    return this.#list(field, maxCount).map((item, at) => read(item, `${this.#at(field)}[${at}]`))
  }

  /** A map with non-empty text keys; `read` is given each raw value and its path. */
  map<Value>(field: string, maxCount: number, read: (raw: unknown, path: string) => Value): Record<string, Value> {
    const raw = this.#raw[field]
    const entries = typeof raw === 'object' && raw !== null ? Object.entries(raw) : []
    if (entries.length > maxCount) throw malformed(this.#at(field), `has more than ${maxCount} entries`)
    const read1 = ([key, value]: [string, unknown]): [string, Value] => {
      const path = this.#at(field)
      if (checkText(key, path, maxNameLength) === '') throw malformed(path, 'has an empty key')
      return [key, read(value, `${path}.${key}`)]
    }
    return Object.fromEntries(entries.map(read1))
  }

  #at(field: string): string {
    return `${this.path}.${field}`
  }

  #list(field: string, maxCount: number): readonly unknown[] {
    const raw = this.#raw[field]
    const list: readonly unknown[] = Array.isArray(raw) ? raw : []
    if (list.length > maxCount) throw malformed(this.#at(field), `has more than ${maxCount} entries`)
    return list
  }
}

/** The one kind of error this folder throws: WEFT_WIRE with the path of the field and what is wrong with it. */
export function malformed(path: string, problem: string, cause?: unknown): MeshError {
  return new MeshError('WEFT_WIRE', `${path} ${problem}`, { fields: { field: path, problem }, cause })
}

/** Text within the length, well-formed, without control characters. */
export function checkText(value: unknown, path: string, maxLength: number): string {
  if (typeof value !== 'string') throw malformed(path, 'is not text')
  if (value.length > maxLength) throw malformed(path, `is longer than ${maxLength} characters`)
  if (controlCharacters.test(value) || !value.isWellFormed()) throw malformed(path, 'has characters that are not text')
  return value
}

/** An IPv4 or IPv6 address; a zone is of no meaning on another host. */
export function checkAddress(value: unknown, path: string): string {
  if (typeof value !== 'string' || isIP(value) === 0 || value.includes('%'))
    throw malformed(path, 'is not an IP address')
  return value
}

/** A range of addresses in CIDR form. */
export function checkAddressRange(value: unknown, path: string): string {
  const text = checkText(value, path, maxNameLength)
  const [network = '', bits = '', ...more] = text.split('/')
  const family = network.includes('%') ? 0 : isIP(network)
  const fits = /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 6 ? 128 : 32)
  if (family === 0 || !fits || more.length > 0) throw malformed(path, 'is not an address range')
  return text
}

/** Text that must not be empty, such as a name or an identity. */
export function checkName(value: unknown, path: string): string {
  const text = checkText(value, path, maxNameLength)
  if (text === '') throw malformed(path, 'is empty')
  return text
}

/** SHA-256 of a public key, hex. */
export function checkKeyHash(value: unknown, path: string): string {
  if (typeof value !== 'string' || !/^[0-9a-f]{64}$/.test(value)) throw malformed(path, 'is not 64 hex digits')
  return value
}

/** A port number, 1 to 65535. */
export function checkPort(value: unknown, path: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > 65535) {
    throw malformed(path, 'is not a port from 1 to 65535')
  }
  return value
}

/** Prose as it may be sent and shown: one line, no control characters, at most {@link maxTextLength} long. */
export function cleanSentence(text: string): string {
  return text.replace(everyControlCharacter, ' ').toWellFormed().slice(0, maxTextLength)
}
