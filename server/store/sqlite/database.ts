import { closeSync, openSync } from 'node:fs'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { MeshError } from '../../../mesh/std/errors.ts'
import type { Row } from './row.ts'

/** One SQLite connection; every failure is a WEFT_STORE, except the MeshErrors that a transaction throws itself. */
export interface Database {
  /** Runs a statement with positional parameters and gives its rows. */
  all(sql: string, ...parameters: readonly SQLInputValue[]): readonly Row[]
  /** The first row, if there is one. */
  get(sql: string, ...parameters: readonly SQLInputValue[]): Row | undefined
  /** Runs a statement and gives the number of rows it changed. */
  run(sql: string, ...parameters: readonly SQLInputValue[]): number
  /** Runs several statements without parameters. */
  exec(sql: string): void
  /** Runs `work` in one write transaction: all of it, or nothing when it throws. */
  transaction<T>(work: () => T): T
  /** Closing twice is harmless. */
  close(): void
}

/** How long to wait for another process that writes, in milliseconds. */
const busyTimeoutMs = 5_000

/** Opens the file, which only its owner may read: token hashes and the mesh's shape are in it. */
export function openDatabase(path: string): Database {
  const prepared = new Map<string, StatementSync>()
  const connection = guarded(path, () => {
    if (path !== ':memory:') closeSync(openSync(path, 'a', 0o600))
    return connect(path)
  })
  const statement = (sql: string) => {
    const known = prepared.get(sql)
    if (known !== undefined) return known
    const fresh = connection.prepare(sql)
    prepared.set(sql, fresh)
    return fresh
  }
  return {
    all: (sql, ...parameters) => guarded(path, () => statement(sql).all(...parameters)),
    get: (sql, ...parameters) => guarded(path, () => statement(sql).get(...parameters)),
    run: (sql, ...parameters) => guarded(path, () => Number(statement(sql).run(...parameters).changes)),
    exec: sql => guarded(path, () => connection.exec(sql)),
    transaction: work => guarded(path, () => inTransaction(connection, work)),
    close() {
      if (connection.isOpen) connection.close()
    },
  }
}

function connect(path: string): DatabaseSync {
  const connection = new DatabaseSync(path, { timeout: busyTimeoutMs })
  try {
    // Full synchronisation: a join token that was used must stay used after a power cut.
    connection.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF')
    const check = connection.prepare('PRAGMA quick_check(1)').get()
    if (check?.quick_check !== 'ok') throw new Error(`database is damaged: ${check?.quick_check}`)
    return connection
  } catch (error) {
    connection.close()
    throw error
  }
}

/** IMMEDIATE takes the write lock first, so that what is read within is still true when it is written. */
function inTransaction<T>(connection: DatabaseSync, work: () => T): T {
  connection.exec('BEGIN IMMEDIATE')
  try {
    const result = work()
    connection.exec('COMMIT')
    return result
  } catch (error) {
    if (connection.isTransaction) connection.exec('ROLLBACK')
    throw error
  }
}

function guarded<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (cause) {
    if (cause instanceof MeshError) throw cause
    throw new MeshError('WEFT_STORE', 'store cannot be read or written', { fields: { path }, cause })
  }
}
