import { statSync, truncateSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { Worker } from 'node:worker_threads'
import t, { type Test } from 'tap'
import { silentLog } from '../../../../mesh/std/log.ts'
import { openSqliteStore } from '../../../../server/store/sqlite.ts'
import { storeCompliance } from '../../../compliance/store.ts'

const log = silentLog

t.test('on disk', t => {
  let files = 0
  const paths = new Map<object, string>()
  const openAt = (path: string) => {
    const store = openSqliteStore(path, { log })
    paths.set(store, path)
    return store
  }
  const folder = t.testdir({})
  storeCompliance(t, {
    open: async () => openAt(`${folder}/weft-${files++}.db`),
    reopen: async store => {
      await store.close()
      return openAt(paths.get(store) ?? '')
    },
  })
  t.end()
})

t.test('in memory', t => {
  storeCompliance(t, { open: async () => openSqliteStore(':memory:', { log }) })
  t.end()
})

t.test('lets one of 200 consumers succeed, and makes writers wait, over four connections in four threads', async t => {
  const path = `${t.testdir({})}/weft.db`
  const store = openSqliteStore(path, { log })
  t.teardown(() => store.close())
  await store.joinTokens.create({ id: 'i', hash: 'h', node: 'vm', identities: [], createdAt: 1, expiresAt: 1000 })
  const source = new URL('../../../../server/store/sqlite.ts', import.meta.url).href
  const logSource = new URL('../../../../mesh/std/log.ts', import.meta.url).href
  const program = `
    const { parentPort, workerData } = require('node:worker_threads')
    Promise.all([import(workerData.source), import(workerData.logSource)]).then(async ([{ openSqliteStore }, { silentLog }]) => {
      const store = openSqliteStore(workerData.path, { log: silentLog })
      parentPort.postMessage('ready')
      parentPort.once('message', async () => {
        const all = await Promise.all(Array.from({ length: 50 }, () => store.joinTokens.consume('h', 'vm', 5)))
        for (let at = 0; at < 25; at += 1) await store.virtualIps.allocate([workerData.name + at], 1, 1000)
        await store.close()
        parentPort.postMessage(all.filter(Boolean).length)
      })
    })`
  const workers = Array.from(
    { length: 4 },
    (_, at) => new Worker(program, { eval: true, workerData: { source, logSource, path, name: `n/${at}-` } }),
  )
  const next = (worker: Worker) =>
    new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
  t.same(await Promise.all(workers.map(next)), ['ready', 'ready', 'ready', 'ready'])
  const wins = workers.map(next)
  for (const worker of workers) worker.postMessage('go')
  const counts = await Promise.all(wins)
  t.equal(
    counts.map(Number).reduce((sum, count) => sum + count),
    1,
  )
  t.same(new Set((await store.virtualIps.list()).values()), new Set(Array.from({ length: 100 }, (_, at) => at + 1)))
  await Promise.all(workers.map(worker => worker.terminate()))
})

t.test('makes a file that only its owner can read', async t => {
  const path = `${t.testdir({})}/weft.db`
  const store = openSqliteStore(path, { log })
  t.teardown(() => store.close())
  await store.apiTokens.create({ id: 'a', hash: 'h', createdAt: 1, name: 'a', roles: ['admin'] })
  for (const file of [path, `${path}-wal`, `${path}-shm`]) t.equal(statSync(file).mode & 0o777, 0o600, file)
})

t.test('refuses files that are not its own', t => {
  const folder = t.testdir({ 'text.db': 'this is a letter to my grandmother'.repeat(50) })
  refuses(t, `${folder}/text.db`, 'no database')
  refuses(t, `${folder}/no/such/folder.db`, 'no folder')
  const newer = new DatabaseSync(`${folder}/newer.db`)
  newer.exec('PRAGMA user_version = 999')
  newer.close()
  t.throws(() => openSqliteStore(`${folder}/newer.db`, { log }), { code: 'WEFT_STORE', fields: { schema: 999 } })
  t.end()
})

t.test('refuses a damaged file instead of using what is left of it', async t => {
  const path = `${t.testdir({})}/weft.db`
  const store = openSqliteStore(path, { log })
  const writes = Array.from({ length: 500 }, (_, at) => ({
    kind: 'K',
    namespace: 'n',
    name: `name-${at}`,
    document: 'x'.repeat(500),
  }))
  await store.resources.put(writes, 1)
  await store.close()
  truncateSync(path, Math.floor(statSync(path).size / 2))
  refuses(t, path, 'cut in half')
})

t.test('undoes a schema change that fails half way', t => {
  const path = `${t.testdir({})}/weft.db`
  const half = new DatabaseSync(path)
  half.exec('CREATE TABLE nodes (other TEXT)')
  half.close()
  refuses(t, path, 'a table is in the way')
  const after = new DatabaseSync(path)
  t.same(after.prepare(`SELECT name FROM sqlite_schema WHERE type = 'table'`).all(), [{ name: 'nodes' }])
  t.match(after.prepare('PRAGMA user_version').get(), { user_version: 0 })
  after.close()
  t.end()
})

t.test('reports a value that does not belong in a column', async t => {
  const path = `${t.testdir({})}/weft.db`
  const store = openSqliteStore(path, { log })
  t.teardown(() => store.close())
  await store.nodes.put({ name: 'vm', identities: [], joinedAt: 1, keyHash: 'k', banned: false })
  for (const wrong of ['{', '{"a":1}', '[1]']) {
    const other = new DatabaseSync(path)
    other.prepare('UPDATE nodes SET identities = ?').run(wrong)
    other.close()
    await t.rejects(store.nodes.get('vm'), { code: 'WEFT_STORE', fields: { column: 'identities' } })
  }
})

t.test('opens an empty file as a new store', async t => {
  const path = `${t.testdir({})}/weft.db`
  writeFileSync(path, '')
  const store = openSqliteStore(path, { log })
  t.teardown(() => store.close())
  t.same(await store.nodes.list(), [])
})

function refuses(t: Test, path: string, why: string): void {
  t.throws(() => openSqliteStore(path, { log }), { code: 'WEFT_STORE' }, why)
}
