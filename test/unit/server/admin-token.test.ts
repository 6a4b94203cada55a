import { readFileSync, statSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { parseApiToken } from '../../../mesh/identity/api-token.ts'
import { silentLog } from '../../../mesh/std/log.ts'
import { createApiTokens } from '../../../server/access/api-tokens.ts'
import { ensureAdminToken, renameRootOfAdminToken } from '../../../server/admin-token.ts'
import { openSqliteStore } from '../../../server/store/sqlite.ts'
import { FakeClock } from '../../fakes/clock.ts'

const rootHash = 'a'.repeat(64)

t.test('the first start makes a token that the API takes; later starts make none', async t => {
  const store = openSqliteStore(':memory:', { log: silentLog })
  t.teardown(() => store.close())
  const options = { dataDir: t.testdir(), rootHash, now: 1 }
  const file = (await ensureAdminToken(store.apiTokens, options)) ?? ''
  t.equal(statSync(file).mode & 0o777, 0o600)
  const token = readFileSync(file, 'utf8').trim()
  const caller = await createApiTokens(store.apiTokens, { rootHash }, new FakeClock()).authenticate(`Bearer ${token}`)
  t.same(caller, { name: 'token admin', grants: [{ role: 'admin' }] })
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
  await createApiTokens(real.apiTokens, { rootHash }, new FakeClock()).authenticate(
    `Bearer ${readFileSync(file, 'utf8').trim()}`,
  )
  t.pass('the new one is valid')
})

t.test('names the root that signs now, wherever the token still is', async t => {
  const dataDir = t.testdir()
  t.equal(renameRootOfAdminToken(dataDir, rootHash), undefined, 'without a token there is nothing to do')
  const store = openSqliteStore(':memory:', { log: silentLog })
  t.teardown(() => store.close())
  const file = (await ensureAdminToken(store.apiTokens, { dataDir, rootHash, now: 1 })) ?? ''
  const { secret } = parseApiToken(readFileSync(file, 'utf8'))
  t.equal(renameRootOfAdminToken(dataDir, 'b'.repeat(64)), undefined)
  t.same(parseApiToken(readFileSync(file, 'utf8')), { secret, rootHash: 'b'.repeat(64) })
  t.equal(statSync(file).mode & 0o777, 0o600)
  writeFileSync(file, 'something else')
  t.match(renameRootOfAdminToken(dataDir, rootHash), { code: 'WEFT_UNAUTHENTICATED' })
  t.equal(readFileSync(file, 'utf8'), 'something else')
})
