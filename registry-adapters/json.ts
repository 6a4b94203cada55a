/** What registries answer, read without believing it: a value of another type counts as left out. */

export type JsonObject = Readonly<Record<string, unknown>>

/** True for an object of JSON; an answer that is no JSON arrives as bytes. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !Buffer.isBuffer(value)
}

/** The object, or an empty one. */
export function objectOf(value: unknown): JsonObject {
  return isObject(value) ? value : {}
}

/** The text, or an empty one. */
export function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/** The number, or `otherwise`. */
export function number(value: unknown, otherwise: number): number {
  return typeof value === 'number' ? value : otherwise
}

/** The items of a list; none of anything else. */
export function items(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

/** The texts of a list. */
export function strings(value: unknown): readonly string[] {
  return items(value).filter(item => typeof item === 'string')
}

/** The texts of an object by their keys. */
export function stringMap(value: unknown): Readonly<Record<string, string>> {
  const entries = Object.entries(objectOf(value))
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
}
