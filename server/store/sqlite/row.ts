import type { SQLOutputValue } from 'node:sqlite'
import { MeshError } from '../../../mesh/std/errors.ts'

/** A row by column name. */
export type Row = Readonly<Record<string, SQLOutputValue>>

/** A TEXT column; throws WEFT_STORE when it holds something else. */
export function text(row: Row, column: string): string {
  const value = row[column]
  if (typeof value !== 'string') throw unexpected(column)
  return value
}

/** An INTEGER column; throws WEFT_STORE when it holds something else. */
export function integer(row: Row, column: string): number {
  const value = row[column]
  if (typeof value !== 'number') throw unexpected(column)
  return value
}

/** An INTEGER column that may be NULL, as an object to spread: empty when it is. */
export function optionalInteger<K extends string>(row: Row, column: string, key: K): { readonly [P in K]?: number } {
  const value = row[column]
  if (value === null) return {}
  if (typeof value !== 'number') throw unexpected(column)
  return { [key]: value } as { readonly [P in K]?: number }
}

/** A TEXT column with a JSON array of strings; throws WEFT_STORE when it holds something else. */
export function textList(row: Row, column: string): readonly string[] {
  let value: unknown
  try {
    value = JSON.parse(text(row, column))
  } catch {
    throw unexpected(column)
  }
  if (!Array.isArray(value) || !value.every(item => typeof item === 'string')) throw unexpected(column)
  return value
}

/** A TEXT column with a JSON object of whole numbers; throws WEFT_STORE when it holds something else. */
export function numbersByName(row: Row, column: string): Readonly<Record<string, number>> {
  let value: unknown
  try {
    value = JSON.parse(text(row, column))
  } catch {
    throw unexpected(column)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw unexpected(column)
  const entries = Object.entries(value).map(([name, number]): [string, number] => {
    if (!Number.isSafeInteger(number)) throw unexpected(column)
    return [name, Number(number)]
  })
  return Object.freeze(Object.fromEntries(entries))
}

function unexpected(column: string): MeshError {
  return new MeshError('WEFT_STORE', 'store holds an unexpected value', { fields: { column } })
}
