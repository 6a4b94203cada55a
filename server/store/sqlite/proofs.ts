import type { ProofStore } from '../store.ts'
import type { Database } from './database.ts'

/** Evidence that was used, until it would be refused for its age anyway. */
export function createSqliteProofs(database: Database): ProofStore {
  return {
    async use({ kind, id, node, keyHash, expiresAt }, now) {
      return database.transaction(() => {
        database.run('DELETE FROM proofs WHERE expires_at <= ?', now)
        const written = database.run(
          'INSERT INTO proofs (kind, id, node, key_hash, expires_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
          kind,
          id,
          node,
          keyHash,
          expiresAt,
        )
        if (written > 0) return 'new'
        const row = database.get('SELECT node, key_hash FROM proofs WHERE kind = ? AND id = ?', kind, id)
        return row?.node === node && row.key_hash === keyHash ? 'again' : 'taken'
      })
    },
  }
}
