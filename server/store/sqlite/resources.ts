import { MeshError } from '../../../mesh/std/errors.ts'
import type { Log } from '../../../mesh/std/log.ts'
import type { ResourceStore, ResourceWrite, StoredResource } from '../store.ts'
import type { Database } from './database.ts'
import { integer, type Row, text } from './row.ts'

/** Operators' resources, ordered by kind, namespace and name. */
export function createSqliteResources(database: Database, log: Log): ResourceStore {
  const listeners = new Set<() => void>()
  const tellListeners = () => {
    for (const changed of [...listeners]) {
      try {
        changed()
      } catch (error) {
        // The write has happened; a reader that fails must not make it look otherwise.
        log.error('resource listener failed', { error })
      }
    }
  }
  return {
    async list() {
      return database.all('SELECT * FROM resources ORDER BY kind, namespace, name').map(resourceOf)
    },
    async put(writes, now, writtenBy = '') {
      if (writes.length === 0) return []
      const stored = database.transaction(() => writes.map(write => putOne(database, write, now, writtenBy)))
      tellListeners()
      return stored
    },
    async remove(kind, namespace, name) {
      const sql = 'DELETE FROM resources WHERE kind = ? AND namespace = ? AND name = ?'
      const removed = database.run(sql, kind, namespace, name) > 0
      if (removed) tellListeners()
      return removed
    },
    onChange(changed) {
      // A wrapper of its own for each call: the same function may listen twice and stop once.
      const listener = () => changed()
      listeners.add(listener)
      return () => {
        listeners.delete(listener)
      }
    },
  }
}

function putOne(database: Database, write: ResourceWrite, now: number, writtenBy: string): StoredResource {
  const { kind, namespace, name, document, expectedVersion } = write
  if (expectedVersion !== undefined) {
    const row = database.get(
      'SELECT version FROM resources WHERE kind = ? AND namespace = ? AND name = ?',
      kind,
      namespace,
      name,
    )
    const version = row === undefined ? 0 : integer(row, 'version')
    if (version !== expectedVersion) {
      throw new MeshError('WEFT_RESOURCE_CONFLICT', 'resource is at another version than expected', {
        fields: { kind, namespace, name, expectedVersion, version },
      })
    }
  }
  // A counter of its own: the version of a removed resource must not come back with its name.
  const counter = database.get(`UPDATE counters SET value = value + 1 WHERE name = 'resource-version' RETURNING value`)
  const row = database.get(
    `INSERT INTO resources (kind, namespace, name, version, created_at, written_by, document)
     VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET version = excluded.version, document = excluded.document,
       written_by = excluded.written_by
     RETURNING *`,
    kind,
    namespace,
    name,
    integer(counter ?? {}, 'value'),
    now,
    writtenBy,
    document,
  )
  return resourceOf(row ?? {})
}

function resourceOf(row: Row): StoredResource {
  return Object.freeze({
    kind: text(row, 'kind'),
    namespace: text(row, 'namespace'),
    name: text(row, 'name'),
    version: integer(row, 'version'),
    createdAt: integer(row, 'created_at'),
    writtenBy: text(row, 'written_by'),
    document: text(row, 'document'),
  })
}
