import { readFileSync, statSync } from 'node:fs'
import t from 'tap'
import { silentLog } from '../../../mesh/std/log.ts'
import { ensureAdminToken } from '../../../server/admin-token.ts'
import { authenticate } from '../../../server/api/api-tokens.ts'
import { openSqliteStore } from '../../../server/store/sqlite.ts'

const rootHash = 'a'.repeat(64)

t.test('the first start makes a token that the API takes; later starts make none', async t => {
  const store = openSqliteStore(':memory:', { log: silentLog })
  t.teardown(() => store.close())
  const options = { dataDir: t.testdir(), rootHash, now: 1 }
  const file = (await ensureAdminToken(store.apiTokens, options)) ?? ''
  t.equal(statSync(file).mode & 0o777, 0o600)
  const token = readFileSync(file, 'utf8').trim()
  await authenticate(store.apiTokens, `Bearer ${token}`)
  t.notOk(JSON.stringify(await store.apiTokens.list()).includes(token.split('_')[1] ?? ''), 'kept as a hash only')
  t.equal(await ensureAdminToken(store.apiTokens, options), undefined)
})

t.test('a token whose hash could not be kept is replaced at the next start', async t => {
  const dataDir = t.testdir()
  const broken = openSqliteStore(':memory:', { log: silentLog })
  const real = openSqliteStore(':memory:', { log: silentLog })
  t.teardown(() => real.close())
  await broken.close()
  const half = { ...broken.apiTokens, list: async () => [] }
  await t.rejects(ensureAdminToken(half, { dataDir, rootHash, now: 1 }), { code: 'WEFT_STORE' })
  const file = (await ensureAdminToken(real.apiTokens, { dataDir, rootHash, now: 1 })) ?? ''
  await authenticate(real.apiTokens, `Bearer ${readFileSync(file, 'utf8').trim()}`)
  t.pass('the new one is valid')
})
