import { staticPairs } from './static-table.ts'

/** Where a name stands in the static table, and which of its values do. */
export interface StaticName {
  readonly index: number
  /** Undefined where it has none. */
  readonly values: ReadonlyMap<string, number> | undefined
}

/** The static table, by name. */
export const staticNames: ReadonlyMap<string, StaticName> = indexStaticTable()

function indexStaticTable(): ReadonlyMap<string, StaticName> {
  const names = new Map<string, { index: number; values: Map<string, number> | undefined }>()
  for (let at = 0; at < staticPairs.length; at += 2) {
    const name = staticPairs[at] ?? ''
    const value = staticPairs[at + 1] ?? ''
    const index = at / 2 + 1
    const entry = names.get(name) ?? { index, values: undefined }
    names.set(name, entry)
    if (value === '') continue
    entry.values ??= new Map()
    entry.values.set(value, index)
  }
  return names
}
