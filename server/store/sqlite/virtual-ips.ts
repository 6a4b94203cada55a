import { MeshError } from '../../../mesh/std/errors.ts'
import type { VirtualIpStore } from '../store.ts'
import type { Database } from './database.ts'
import { integer, text } from './row.ts'

/** Offsets of virtual IPs. Rows are never deleted, so the largest offset says what has ever been given. */
export function createSqliteVirtualIps(database: Database): VirtualIpStore {
  const read = () => {
    const rows = database.all('SELECT key, "offset" FROM virtual_ips ORDER BY key')
    return new Map(rows.map(row => [text(row, 'key'), integer(row, 'offset')]))
  }
  return {
    async list() {
      return read()
    },
    async allocate(keys, first, limit) {
      return database.transaction(() => {
        const known = read()
        let next = Math.max(first, lastOf(known) + 1)
        for (const key of keys) {
          if (known.has(key)) continue
          if (next > limit) throw exhausted(limit)
          database.run('INSERT INTO virtual_ips (key, "offset") VALUES (?, ?)', key, next)
          known.set(key, next)
          next += 1
        }
        return known
      })
    },
  }
}

function lastOf(offsets: ReadonlyMap<string, number>): number {
  let last = -1
  for (const offset of offsets.values()) last = Math.max(last, offset)
  return last
}

function exhausted(limit: number): MeshError {
  return new MeshError('WEFT_STORE', 'all virtual ips have been given out', {
    fields: { limit },
    next: 'configure larger ranges for virtual ips',
  })
}
