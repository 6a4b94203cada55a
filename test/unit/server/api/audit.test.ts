import { chmodSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { AuditEntry } from '../../../../server/audit/audit-entry.ts'
import { createApiWorld } from '../../../support/api-world.ts'

const policy = (mode: string, version?: string) =>
  JSON.stringify({
    apiVersion: 'security.istio.io/v1',
    kind: 'PeerAuthentication',
    metadata: { name: 'strict', namespace: 'shop', ...(version !== undefined && { resourceVersion: version }) },
    spec: { mtls: { mode } },
  })

async function openWorld(t: Parameters<typeof createApiWorld>[0]) {
  const world = await createApiWorld(t)
  const entries = async (query = '') =>
    ((await world.operator('GET', `/v1/audit${query}`)).json as { entries: AuditEntry[] }).entries
  return { ...world, entries }
}

t.test('every write is noted: who, when, from where, what, before and after', async t => {
  const { ask, tokenOf, entries, clock } = await openWorld(t)
  const token = await tokenOf('ann', 'operator:shop')
  await ask('POST', '/v1/resources', { token, body: policy('STRICT') })
  await clock.advance(1000)
  await ask('POST', '/v1/resources', { token, body: policy('DISABLE') })
  await ask('POST', '/v1/resources?dryRun=true', { token, body: policy('STRICT') })
  await ask('POST', '/v1/resources', { token, body: policy('DISABLE') })
  await ask('DELETE', '/v1/resources/PeerAuthentication/shop/strict', { token })
  const mode = (mode: string) => ({ spec: { mtls: { mode } } })
  const [made, changed, gone, ...more] = await entries()
  const common = { who: 'token ann', from: /127\.0\.0\.1/, outcome: 'done', action: 'POST /v1/resources' }
  const what = { what: 'PeerAuthentication shop/strict', kind: 'PeerAuthentication', namespace: 'shop' }
  t.match(made, { ...common, at: clock.now() - 1000, change: { ...what, after: mode('STRICT') } })
  t.notOk(made?.change && 'before' in made.change)
  t.match(changed, { ...common, at: clock.now(), change: { ...what, before: mode('STRICT'), after: mode('DISABLE') } })
  t.match(gone, { outcome: 'done', action: /^DELETE/, change: { ...what, before: mode('DISABLE') } })
  t.same(more, [], 'what changes nothing is not noted')
})

t.test('every route that writes leaves a trace when it has', async t => {
  const { operator, entries } = await openWorld(t)
  const token = (await operator('POST', '/v1/tokens', '{"node":"vm-1"}')).json
  await operator('DELETE', `/v1/tokens/${token.id}`)
  const made = (await operator('POST', '/v1/api-tokens', '{"name":"ci","roles":["auditor"]}')).json
  await operator('DELETE', `/v1/api-tokens/${made.id}`)
  await operator('POST', '/v1/registries/files/confirm')
  const noted = await entries()
  t.same(
    noted.map(({ action, change }) => `${action}: ${change?.what.split(' ')[0]}`),
    [
      'POST /v1/tokens: JoinToken',
      'DELETE /v1/tokens/:id: JoinToken',
      'POST /v1/api-tokens: ApiToken',
      'DELETE /v1/api-tokens/:id: ApiToken',
      'POST /v1/registries/:name/confirm: Registry',
    ],
  )
  const text = JSON.stringify(noted)
  for (const secret of [token.token, made.token]) t.notOk(text.includes(String(secret)), 'no secret is noted')
  t.notOk(text.includes(String(made.token).slice('weftapi1_'.length, 30)), 'nor a piece of one')
})

t.test('refusals are noted with their code, those of strangers too', async t => {
  const { ask, tokenOf, entries, operator } = await openWorld(t)
  const token = await tokenOf('ann', 'operator:pay')
  await ask('POST', '/v1/resources', { token, body: policy('STRICT') })
  await ask('GET', '/v1/status', { token })
  await ask('POST', '/v1/resources', { body: policy('STRICT') })
  await operator('POST', '/v1/resources', 'kind: nonsense')
  t.match(await entries(), [
    { who: 'token ann', outcome: 'WEFT_FORBIDDEN', action: 'POST /v1/resources', message: /operator:shop is missing/ },
    { who: 'token ann', outcome: 'WEFT_FORBIDDEN', action: 'GET /v1/status' },
    { who: 'anonymous', outcome: 'WEFT_UNAUTHENTICATED', action: 'POST /v1/resources' },
    { who: 'token admin', outcome: 'WEFT_RESOURCE_INVALID' },
  ])
})

t.test(
  'entries are asked for by time, by whom and by kind, and by namespace for whom that is all they may see',
  async t => {
    const { ask, tokenOf, entries, operator, clock } = await openWorld(t)
    await operator('POST', '/v1/resources', policy('STRICT'))
    await clock.advance(60_000)
    await ask('POST', '/v1/resources', { token: await tokenOf('bob', 'operator'), body: policy('DISABLE') })
    await operator('POST', '/v1/tokens', '{"node":"vm-1"}')
    t.equal((await entries(`?since=${clock.now() - 1000}`)).length, 2)
    t.match(await entries('?who=bob'), [{ who: 'token bob' }])
    t.equal((await entries('?kind=peerauthentication')).length, 2)
    t.match(await entries('?limit=1'), [{ change: { kind: 'JoinToken' } }], 'the newest')
    const ofShop = await ask('GET', '/v1/audit', { token: await tokenOf('eve', 'auditor:shop') })
    t.match(ofShop.json, { entries: [{ change: { namespace: 'shop' } }, { change: { namespace: 'shop' } }] })
    for (const bad of ['?since=x', '?limit=-1', '?limit=10001']) {
      t.match(await operator('GET', `/v1/audit${bad}`), { status: 400 }, bad)
    }
  },
)

t.test('the log is readable by its owner only, and nothing that was sent can add a line to it', async t => {
  const { operator, auditFolder, entries } = await openWorld(t)
  const odd = 'a\n{"at":1,"who":"token admin"}\r\u001b[2J\u009b31m\u2028"'
  await operator('POST', '/v1/resources', policy('STRICT').replace('"STRICT"', JSON.stringify(odd)))
  await operator('POST', '/v1/tokens', JSON.stringify({ node: odd }))
  await operator('DELETE', `/v1/tokens/${encodeURIComponent(odd)}`)
  const files = readdirSync(auditFolder)
  t.ok(files.length > 0)
  for (const name of files) {
    const path = join(auditFolder, name)
    t.equal(statSync(path).mode & 0o777, 0o600, name)
    const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1)
    for (const line of lines) {
      t.notMatch(line, /[\p{Cc}\u2028\u2029]/u)
      t.match(JSON.parse(line), { who: 'token admin' })
    }
  }
  t.equal((await entries()).length, 3)
})

t.test('nothing is changed while it cannot be noted', async t => {
  const { operator, auditFolder, store } = await openWorld(t)
  const path = join(auditFolder, 'writes.jsonl')
  rmSync(auditFolder, { recursive: true })
  writeFileSync(auditFolder, 'in the way')
  t.match(await operator('POST', '/v1/resources', policy('STRICT')), { status: 503, json: { code: 'WEFT_STORE' } })
  t.same(await store.resources.list(), [])
  rmSync(auditFolder)
  t.match(await operator('GET', '/v1/resources'), { status: 200 }, 'reading goes on')
  t.throws(() => chmodSync(path, 0o600))
})

t.test('a version that somebody else has replaced is not overwritten, unless by force', async t => {
  const { ask, operator, tokenOf } = await openWorld(t)
  await operator('POST', '/v1/resources', policy('STRICT'))
  const versionNow = async () => {
    const { resources } = (await operator('GET', '/v1/resources')).json as { resources: { version: number }[] }
    return String(resources[0]?.version)
  }
  const read = await versionNow()
  t.match(
    await ask('POST', '/v1/resources', { token: await tokenOf('bob', 'operator:shop'), body: policy('DISABLE', read) }),
    {
      json: { applied: [{ change: 'updated' }] },
    },
  )
  const newer = await versionNow()
  t.match(await operator('POST', '/v1/resources', policy('PERMISSIVE', read)), {
    status: 409,
    json: {
      code: 'WEFT_RESOURCE_CONFLICT',
      message: `PeerAuthentication shop/strict was read at version ${read}, and is at version ${newer} now, written by token bob`,
      fields: { expected: read, version: Number(newer), writtenBy: 'token bob' },
      next: /--force/,
    },
  })
  t.equal(await versionNow(), newer)
  t.match(await operator('POST', '/v1/resources?force=true', policy('PERMISSIVE', read)), { status: 200 })
  await operator('DELETE', '/v1/resources/PeerAuthentication/shop/strict')
  t.match(await operator('POST', '/v1/resources', policy('STRICT', read)), {
    status: 409,
    json: { message: /was read at version .*, and there is none now/ },
  })
  const { resources } = (await operator('GET', '/v1/resources')).json as { resources: unknown[] }
  t.same(resources, [])
})
