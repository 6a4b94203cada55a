import type { Log } from '../../mesh/std/log.ts'
import { createSqliteApiTokens } from './sqlite/api-tokens.ts'
import { openDatabase } from './sqlite/database.ts'
import { createSqliteJoinTokens } from './sqlite/join-tokens.ts'
import { createSqliteNodes } from './sqlite/nodes.ts'
import { createSqliteProofs } from './sqlite/proofs.ts'
import { createSqliteRegistrations } from './sqlite/registrations.ts'
import { createSqliteResources } from './sqlite/resources.ts'
import { migrate } from './sqlite/schema.ts'
import { createSqliteVirtualIps } from './sqlite/virtual-ips.ts'
import type { Store } from './store.ts'

export interface SqliteStoreDeps {
  readonly log: Log
}

/**
 * Opens the embedded store in one SQLite file, made with mode 0600 when it is not there; `:memory:` keeps nothing.
 * Throws WEFT_STORE when the file cannot be opened, is no database, is damaged, or was written by a newer version.
 */
export function openSqliteStore(path: string, { log }: SqliteStoreDeps): Store {
  const database = openDatabase(path)
  try {
    migrate(database, log)
  } catch (error) {
    database.close()
    throw error
  }
  return {
    resources: createSqliteResources(database, log),
    joinTokens: createSqliteJoinTokens(database),
    nodes: createSqliteNodes(database),
    proofs: createSqliteProofs(database),
    virtualIps: createSqliteVirtualIps(database),
    apiTokens: createSqliteApiTokens(database),
    registrations: createSqliteRegistrations(database),
    async close() {
      database.close()
    },
  }
}
