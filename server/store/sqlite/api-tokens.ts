import type { ApiTokenRecord, ApiTokenStore } from '../store.ts'
import type { Database } from './database.ts'
import { integer, type Row, text } from './row.ts'

/** Bearer tokens of the API, oldest first. */
export function createSqliteApiTokens(database: Database): ApiTokenStore {
  return {
    async create(record) {
      const sql = 'INSERT INTO api_tokens (id, hash, created_at) VALUES (?, ?, ?)'
      database.run(sql, record.id, record.hash, record.createdAt)
    },
    async find(hash) {
      const row = database.get('SELECT * FROM api_tokens WHERE hash = ?', hash)
      return row === undefined ? undefined : tokenOf(row)
    },
    async list() {
      return database.all('SELECT * FROM api_tokens ORDER BY created_at, id').map(tokenOf)
    },
  }
}

function tokenOf(row: Row): ApiTokenRecord {
  return Object.freeze({ id: text(row, 'id'), hash: text(row, 'hash'), createdAt: integer(row, 'created_at') })
}
