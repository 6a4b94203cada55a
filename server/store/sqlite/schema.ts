import { MeshError } from '../../../mesh/std/errors.ts'
import type { Log } from '../../../mesh/std/log.ts'
import type { Database } from './database.ts'
import { integer } from './row.ts'

/** Steps from one schema version to the next. Steps that have been released are never edited, only followed. */
const steps: readonly string[] = [
  `
  CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  INSERT INTO counters VALUES ('resource-version', 0);
  CREATE TABLE resources (
    kind TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (kind, namespace, name)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE join_tokens (
    id TEXT PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    node TEXT NOT NULL,
    identities TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER,
    revoked_at INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE nodes (
    name TEXT PRIMARY KEY,
    identities TEXT NOT NULL,
    joined_at INTEGER NOT NULL,
    key_hash TEXT NOT NULL,
    banned INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE virtual_ips (key TEXT PRIMARY KEY, "offset" INTEGER NOT NULL UNIQUE) STRICT, WITHOUT ROWID;
  CREATE TABLE api_tokens (
    id TEXT PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  `
  CREATE TABLE registrations (
    node TEXT NOT NULL,
    name TEXT NOT NULL,
    workload_group TEXT NOT NULL,
    address TEXT NOT NULL,
    ports TEXT NOT NULL,
    maintenance TEXT NOT NULL,
    since INTEGER NOT NULL,
    PRIMARY KEY (node, name)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  ALTER TABLE nodes ADD COLUMN evidence TEXT;
  CREATE TABLE proofs (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    node TEXT NOT NULL,
    key_hash TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (kind, id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX proofs_expire ON proofs (expires_at);
  `,
  // the tokens of before could do everything
  `
  ALTER TABLE api_tokens ADD COLUMN name TEXT NOT NULL DEFAULT 'admin';
  ALTER TABLE api_tokens ADD COLUMN roles TEXT NOT NULL DEFAULT '["admin"]';
  ALTER TABLE api_tokens ADD COLUMN expires_at INTEGER;
  ALTER TABLE api_tokens ADD COLUMN revoked_at INTEGER;
  ALTER TABLE resources ADD COLUMN written_by TEXT NOT NULL DEFAULT '';
  `,
]

/** Brings the schema to the newest version in one transaction; throws WEFT_STORE when it is newer than this program. */
export function migrate(database: Database, log: Log): void {
  database.transaction(() => {
    const row = database.get('PRAGMA user_version')
    const from = row === undefined ? 0 : integer(row, 'user_version')
    if (from > steps.length) {
      throw new MeshError('WEFT_STORE', 'store was written by a newer version of weft', {
        fields: { schema: from, known: steps.length },
        next: 'run the newer version, or restore a backup that was made by this one',
      })
    }
    if (from === steps.length) return
    for (const step of steps.slice(from)) database.exec(step)
    database.exec(`PRAGMA user_version = ${steps.length}`)
    log.info('store schema updated', { from, to: steps.length })
  })
}
