import { parseDurationMs } from '../std/duration.ts'
import { checkText, malformed } from './fields.ts'

/**
 * What a JSON value has to look like: true when it does, with the type known from there on; throws WEFT_WIRE with the
 * path of the first value that does not. Small beside a schema library, which an agent has no memory for.
 */
export type Shape<T> = (raw: unknown, path: string) => raw is T

/** A field that must be there. */
export interface Needed<T> {
  readonly needed: Shape<T>
}

/** One shape for every field of a type: optional ones plain, those that must be there {@link needed}. */
export type FieldShapes<T> = {
  readonly [Key in keyof T]-?: Record<never, never> extends Pick<T, Key>
    ? Shape<Exclude<T[Key], undefined>>
    : Needed<T[Key]>
}

const maxEntries = 10_000
const maxLength = 64 * 1024

/** One line of text without control characters. */
export const text: Shape<string> = (raw, path): raw is string => checkText(raw, path, maxLength) === raw

/** Any text: what is sent as it is, such as a body. */
export const anyText: Shape<string> = (raw, path): raw is string => {
  return (typeof raw === 'string' && raw.isWellFormed()) || fail(path, 'is not text')
}

/** The value of a header: no line break may begin another one. */
export const headerText: Shape<string> = (raw, path): raw is string => {
  return (anyText(raw, path) && !/[\0\r\n]/.test(raw)) || fail(path, 'is not the value of a header')
}

/** A Go duration that is not negative. */
export const duration: Shape<string> = (raw, path): raw is string => {
  const ms = typeof raw === 'string' ? parseDurationMs(raw) : undefined
  return (ms !== undefined && ms >= 0) || fail(path, 'is not a duration')
}

/** A Go duration of either sign. */
export const signedDuration: Shape<string> = (raw, path): raw is string => {
  return (typeof raw === 'string' && parseDurationMs(raw) !== undefined) || fail(path, 'is not a duration')
}

export const flag: Shape<boolean> = (raw, path): raw is boolean => {
  return typeof raw === 'boolean' || fail(path, 'is neither true nor false')
}

/** A whole number, zero or more. */
export const count: Shape<number> = (raw, path): raw is number => {
  return (Number.isSafeInteger(raw) && Number(raw) >= 0) || fail(path, 'is not a whole number from zero up')
}

/** A number, zero or more. */
export const amount: Shape<number> = (raw, path): raw is number => {
  return (Number.isFinite(raw) && Number(raw) >= 0) || fail(path, 'is not a number from zero up')
}

/** A number from 0 to 100. */
export const percent: Shape<number> = (raw, path): raw is number => {
  return (amount(raw, path) && raw <= 100) || fail(path, 'is not a number from 0 to 100')
}

/** A port; 0, which nothing listens on, may be written in rules and matches none. */
export const port: Shape<number> = (raw, path): raw is number => {
  return (count(raw, path) && raw <= 65535) || fail(path, 'is not a port')
}

/** A whole number of either sign. */
export const integer: Shape<number> = (raw, path): raw is number => {
  return Number.isSafeInteger(raw) || fail(path, 'is not a whole number')
}

export function needed<T>(shape: Shape<T>): Needed<T> {
  return { needed: shape }
}

export function oneOf<const Word extends string>(...words: readonly Word[]): Shape<Word> {
  const known = new Set<unknown>(words)
  return (raw, path): raw is Word => known.has(raw) || fail(path, `is none of ${words.join(', ')}`)
}

export function listOf<T>(shape: Shape<T>): Shape<readonly T[]> {
  return (raw, path): raw is readonly T[] => {
    if (!Array.isArray(raw)) return fail(path, 'is not a list')
    if (raw.length > maxEntries) return fail(path, `has more than ${maxEntries} entries`)
    return raw.every((item, at) => shape(item, `${path}[${at}]`))
  }
}

/** A map with keys of its owner's choice. */
export function mapOf<T>(shape: Shape<T>): Shape<Readonly<Record<string, T>>> {
  return (raw, path): raw is Readonly<Record<string, T>> => {
    const entries = entriesOf(raw, path)
    if (entries.length > maxEntries) return fail(path, `has more than ${maxEntries} entries`)
    return entries.every(([key, value]) => text(key, path) && shape(value, `${path}.${key}`))
  }
}

/** An object of these fields and no others, save those that are known to mean nothing: they are passed over unread. */
export function objectOf<T extends object>(fields: FieldShapes<T>, meaningless: readonly string[] = []): Shape<T> {
  const shapes = new Map<string, Shape<unknown>>()
  const required: string[] = []
  for (const key of meaningless) shapes.set(key, (_raw): _raw is unknown => true)
  for (const [key, field] of Object.entries<Shape<unknown> | Needed<unknown>>(fields)) {
    shapes.set(key, typeof field === 'function' ? field : field.needed)
    if (typeof field !== 'function') required.push(key)
  }
  return (raw, path): raw is T => {
    const entries = entriesOf(raw, path)
    for (const key of required)
      if (!entries.some(([given]) => given === key)) return fail(`${path}.${key}`, 'is missing')
    return entries.every(([key, value]) => {
      const shape = shapes.get(key)
      // a key is somebody's text: it is shown only once it is known to be harmless
      if (shape === undefined) return fail(path, `has a field that this version does not know: ${shown(key)}`)
      return shape(value, `${path}.${key}`)
    })
  }
}

function entriesOf(raw: unknown, path: string): readonly [string, unknown][] {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return fail(path, 'is not an object')
  return Object.entries(raw)
}

function shown(key: string): string {
  return JSON.stringify(key.slice(0, 64))
}

function fail(path: string, problem: string): never {
  throw malformed(path, problem)
}
