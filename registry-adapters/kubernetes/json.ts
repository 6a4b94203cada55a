/** Helpers to read JSON of unknown shape: what is not of the expected type reads as nothing. */

export type JsonObject = Readonly<Record<string, unknown>>

/** True for a JSON object. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The object, or an empty one. */
export function objectOf(value: unknown): JsonObject {
  return isObject(value) ? value : {}
}

/** The text, or an empty one. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/** The objects of a list; none for what is no list. */
export function objectsOf(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : []
}

/** The texts of a list; none for what is no list. */
export function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter(item => typeof item === 'string') : []
}

/** The entries of an object that are texts. */
export function textEntriesOf(value: unknown): readonly (readonly [string, string])[] {
  const entries: (readonly [string, string])[] = []
  for (const [key, text] of Object.entries(objectOf(value))) if (typeof text === 'string') entries.push([key, text])
  return entries
}
