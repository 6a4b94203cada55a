import { MeshError } from '../../mesh/std/errors.ts'
import { quoted } from '../quoted.ts'

/**
 * Reads a value that may be anything as a fresh one of its type: nothing of what it is made from is kept. Throws
 * WEFT_REGISTRY_ITEM, whose message names the field at `at` and reads on after the item; what is left out without harm
 * is told in `notes`.
 */
export type Shape<T> = (value: unknown, at: string, notes: string[]) => T

/** A field that may be absent. */
interface Optional<T> {
  readonly optional: Shape<T>
}

/** A shape for every field of a type, so that a new field cannot be forgotten here. */
type Fields<T> = {
  readonly [K in keyof T]-?: object extends Pick<T, K> ? Optional<Exclude<T[K], undefined>> : Shape<T[K]>
}

export function optional<T>(shape: Shape<T>): Optional<T> {
  return { optional: shape }
}

export function text(maxChars: number): Shape<string> {
  return (value, at) => {
    if (typeof value !== 'string') throw wrong(at, `must be text, not ${typeWord(value)}`)
    if (value.length > maxChars) throw wrong(at, `is longer than ${maxChars} characters`)
    return value
  }
}

export const number: Shape<number> = (value, at) => {
  if (typeof value !== 'number') throw wrong(at, `must be a number, not ${typeWord(value)}`)
  return value
}

export function oneOf<const T extends string>(...words: readonly T[]): Shape<T> {
  return (value, at) => {
    const word = words.find(one => one === value)
    if (word === undefined) throw wrong(at, `must be ${words.join(' or ')}, not ${shown(value)}`)
    return word
  }
}

export function list<T>(item: Shape<T>, maxItems: number): Shape<readonly T[]> {
  return (value, at, notes) => {
    if (!Array.isArray(value)) throw wrong(at, `must be a list, not ${typeWord(value)}`)
    if (value.length > maxItems) throw wrong(at, `has more than ${maxItems} entries`)
    return Array.from(value, (one: unknown, index) => item(one, `${at}[${index}]`, notes))
  }
}

/** A list of exactly two. */
export function pair<A, B>(first: Shape<A>, second: Shape<B>): Shape<readonly [A, B]> {
  return (value, at, notes) => {
    if (!Array.isArray(value) || value.length !== 2) throw wrong(at, 'must be a list of two')
    return [first(value[0], `${at}[0]`, notes), second(value[1], `${at}[1]`, notes)]
  }
}

export function record<T>(item: Shape<T>, maxEntries: number): Shape<Readonly<Record<string, T>>> {
  return (value, at, notes) => {
    const entries = Object.entries(mapping(value, at))
    if (entries.length > maxEntries) throw wrong(at, `has more than ${maxEntries} entries`)
    // defined, not assigned: a key may be called __proto__
    return Object.fromEntries(entries.map(([key, one]) => [key, item(one, join(at, shown(key)), notes)]))
  }
}

export function object<T>(fields: Fields<T>): Shape<T> {
  const shapes = new Map<string, Shape<unknown> | Optional<unknown>>(Object.entries(fields))
  return (value, at, notes) => {
    const given = mapping(value, at)
    const read: Record<string, unknown> = {}
    for (const [key, shape] of shapes) {
      const one = given[key]
      if (typeof shape === 'function') read[key] = shape(one, join(at, key), notes)
      else if (one !== undefined) read[key] = shape.optional(one, join(at, key), notes)
    }
    const unknown = Object.keys(given).filter(key => !shapes.has(key))
    for (const key of unknown.slice(0, 3)) notes.push(`has ${join(at, shown(key))}, which is no field and is left out`)
    // one value for each field, each read by the field's own shape
    return read as T
  }
}

/** One of several objects, told apart by `kind`. */
export function variant<T extends { readonly kind: string }>(
  shapes: {
    readonly [K in T['kind']]: Shape<Extract<T, { readonly kind: K }>>
  },
): Shape<T> {
  const byKind = new Map<unknown, Shape<T>>(Object.entries<Shape<T>>(shapes))
  return (value, at, notes) => {
    const { kind } = mapping(value, at)
    const shape = byKind.get(kind)
    if (shape === undefined)
      throw wrong(join(at, 'kind'), `must be ${[...byKind.keys()].join(' or ')}, not ${shown(kind)}`)
    return shape(value, at, notes)
  }
}

function mapping(value: unknown, at: string): Readonly<Record<string, unknown>> {
  if (isMapping(value)) return value
  throw wrong(at, `must be a mapping, not ${typeWord(value)}`)
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function wrong(at: string, message: string): MeshError {
  return new MeshError('WEFT_REGISTRY_ITEM', at === '' ? message : `its ${at} ${message}`)
}

function join(at: string, key: string): string {
  return at === '' ? key : `${at}.${key}`
}

function shown(value: unknown): string {
  if (typeof value === 'string') return /^[\w./-]{1,80}$/.test(value) ? value : quoted(value)
  return typeWord(value)
}

function typeWord(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'an object'
  return typeof value === 'string' ? 'text' : `a ${typeof value}`
}
