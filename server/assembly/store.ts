import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { MeshError } from '../../mesh/std/errors.ts'
import { openSqliteStore } from '../store/sqlite.ts'
import type { Store } from '../store/store.ts'
import type { PartDeps } from './deps.ts'

/** Opens the store in the data directory, which is made when it is not there. Throws WEFT_STORE. */
export function openStore({ log, started }: Pick<PartDeps, 'log' | 'started'>, dataDir: string): Store {
  makeDataDir(dataDir)
  const store = openSqliteStore(join(dataDir, 'store.db'), { log })
  started.add(() => store.close())
  return store
}

function makeDataDir(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw new MeshError('WEFT_STORE', 'the data directory cannot be made', { fields: { path }, cause })
  }
}
