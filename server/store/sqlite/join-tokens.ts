import type { JoinTokenRecord, JoinTokenStore } from '../store.ts'
import type { Database } from './database.ts'
import { integer, optionalInteger, type Row, text, textList } from './row.ts'

/** Join tokens, newest first. */
export function createSqliteJoinTokens(database: Database): JoinTokenStore {
  return {
    async create(record) {
      database.run(
        `INSERT INTO join_tokens (id, hash, node, identities, created_at, expires_at, used_at, revoked_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
        record.id,
        record.hash,
        record.node,
        JSON.stringify(record.identities),
        record.createdAt,
        record.expiresAt,
        record.usedAt ?? null,
        record.revokedAt ?? null,
      )
    },
    async list() {
      return database.all('SELECT * FROM join_tokens ORDER BY created_at DESC, id').map(tokenOf)
    },
    async consume(hash, node, now) {
      const row = database.get(
        `UPDATE join_tokens SET used_at = ?
         WHERE hash = ? AND node = ? AND used_at IS NULL AND revoked_at IS NULL AND expires_at > ?
         RETURNING *`,
        now,
        hash,
        node,
        now,
      )
      return row === undefined ? undefined : tokenOf(row)
    },
    async revoke(id, now) {
      const changed = database.run(
        `UPDATE join_tokens SET revoked_at = ?
         WHERE id = ? AND used_at IS NULL AND revoked_at IS NULL AND expires_at > ?`,
        now,
        id,
        now,
      )
      return changed > 0
    },
  }
}

function tokenOf(row: Row): JoinTokenRecord {
  return Object.freeze({
    id: text(row, 'id'),
    hash: text(row, 'hash'),
    node: text(row, 'node'),
    identities: textList(row, 'identities'),
    createdAt: integer(row, 'created_at'),
    expiresAt: integer(row, 'expires_at'),
    ...optionalInteger(row, 'used_at', 'usedAt'),
    ...optionalInteger(row, 'revoked_at', 'revokedAt'),
  })
}
