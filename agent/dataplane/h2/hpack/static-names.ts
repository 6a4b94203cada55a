import { staticPairs } from './static-table.ts'

/** Where a name stands in the static table, and which of its values do. */
export interface StaticName {
  readonly index: number
  readonly values: ReadonlyMap<string, number>
}

/** The static table, by name. */
export const staticNames: ReadonlyMap<string, StaticName> = indexStaticTable()

function indexStaticTable(): ReadonlyMap<string, StaticName> {
  const names = new Map<string, { index: number; values: Map<string, number> }>()
  for (let at = 0; at < staticPairs.length; at += 2) {
    const name = staticPairs[at] ?? ''
    const value = staticPairs[at + 1] ?? ''
    const index = at / 2 + 1
    const entry = names.get(name) ?? { index, values: new Map<string, number>() }
    names.set(name, entry)
    if (value !== '') entry.values.set(value, index)
  }
  return names
}
