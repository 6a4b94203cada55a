import type { ApiTokenRecord, ApiTokenStore } from '../store.ts'
import type { Database } from './database.ts'
import { integer, optionalInteger, type Row, text, textList } from './row.ts'

/** Bearer tokens of the API, oldest first. */
export function createSqliteApiTokens(database: Database): ApiTokenStore {
  return {
    async create(record) {
      database.run(
        `INSERT INTO api_tokens (id, hash, created_at, name, roles, expires_at, revoked_at) VALUES (?, ?, ?, ?, ?, ?, ?)`,
        record.id,
        record.hash,
        record.createdAt,
        record.name,
        JSON.stringify(record.roles),
        record.expiresAt ?? null,
        record.revokedAt ?? null,
      )
    },
    async find(hash) {
      const row = database.get('SELECT * FROM api_tokens WHERE hash = ?', hash)
      return row === undefined ? undefined : tokenOf(row)
    },
    async list() {
      return database.all('SELECT * FROM api_tokens ORDER BY created_at, id').map(tokenOf)
    },
    async revoke(id, now) {
      return database.run('UPDATE api_tokens SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL', now, id) > 0
    },
  }
}

function tokenOf(row: Row): ApiTokenRecord {
  return Object.freeze({
    id: text(row, 'id'),
    hash: text(row, 'hash'),
    createdAt: integer(row, 'created_at'),
    name: text(row, 'name'),
    roles: textList(row, 'roles'),
    ...optionalInteger(row, 'expires_at', 'expiresAt'),
    ...optionalInteger(row, 'revoked_at', 'revokedAt'),
  })
}
