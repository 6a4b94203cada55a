import type { NodeRecord, NodeStore } from '../store.ts'
import type { Database } from './database.ts'
import { evidenceOf } from './evidence.ts'
import { integer, type Row, text, textList } from './row.ts'

/** Hosts that have joined, by name. */
export function createSqliteNodes(database: Database): NodeStore {
  return {
    async get(name) {
      const row = database.get('SELECT * FROM nodes WHERE name = ?', name)
      return row === undefined ? undefined : nodeOf(row)
    },
    async list() {
      return database.all('SELECT * FROM nodes ORDER BY name').map(nodeOf)
    },
    async put(record) {
      database.run(
        `INSERT INTO nodes (name, identities, joined_at, key_hash, banned, evidence) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET identities = excluded.identities, joined_at = excluded.joined_at,
           key_hash = excluded.key_hash, banned = excluded.banned,
           evidence = excluded.evidence`,
        record.name,
        JSON.stringify(record.identities),
        record.joinedAt,
        record.keyHash,
        record.banned ? 1 : 0,
        record.evidence === undefined ? null : JSON.stringify(record.evidence),
      )
    },
  }
}

function nodeOf(row: Row): NodeRecord {
  return Object.freeze({
    name: text(row, 'name'),
    identities: textList(row, 'identities'),
    joinedAt: integer(row, 'joined_at'),
    keyHash: text(row, 'key_hash'),
    banned: integer(row, 'banned') !== 0,
    ...evidenceOf(row),
  })
}
