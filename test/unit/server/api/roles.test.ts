import t from 'tap'
import type { Guarded, Need } from '../../../../server/access/grants.ts'
import { createApiWorld } from '../../../support/api-world.ts'

const policy = (namespace: string, name = 'strict', kind = 'PeerAuthentication') =>
  JSON.stringify({
    apiVersion: 'security.istio.io/v1',
    kind,
    metadata: { name, namespace },
    spec: { mtls: { mode: 'STRICT' } },
  })

/** A plan is asked for with a body, and changes nothing. */
const reads = (method: string, path: string) => method === 'GET' || path === '/v1/plan'
const concrete = (path: string) => path.replace(':namespace', 'shop').replace(/:[a-z]+/g, 'x')

t.test('every route declares what it needs, or that it is open', async t => {
  const { routes } = await createApiWorld(t)
  for (const { method, path, open, access } of routes) {
    const name = `${method} ${path}`
    if (open === true) t.match(name, /^POST \/v1\/join(\/challenge)?$/, 'only joining is open')
    else t.match(access, { verb: reads(method, path) ? 'read' : 'write', of: /./, scope: /./ }, name)
  }
})

t.test('an auditor of the mesh reads everything and writes nothing', async t => {
  const { ask, routes, tokenOf } = await createApiWorld(t)
  const token = await tokenOf('eve', 'auditor')
  for (const { method, path, open } of routes) {
    if (open === true) continue
    const { status, json } = await ask(method, concrete(path), {
      token,
      ...(method === 'POST' && { body: policy('shop') }),
    })
    if (reads(method, path)) t.not(status, 403, `${method} ${path}`)
    else
      t.match({ status, json }, { status: 403, json: { code: 'WEFT_FORBIDDEN', fields: { has: ['auditor'] } } }, path)
  }
})

t.test('a role in another namespace does nothing at any route', async t => {
  const { ask, routes, tokenOf, operator } = await createApiWorld(t)
  await operator('POST', '/v1/resources', policy('shop'))
  const token = await tokenOf('ann', 'admin:other')
  for (const { method, path, open, access } of routes) {
    if (open === true || access?.scope === 'filtered') continue
    const bodies: Partial<Record<Guarded, string>> = {
      resources: policy('shop', 'new'),
      'api-tokens': '{"name":"x","roles":["operator:shop"]}',
    }
    const body = access === undefined ? '' : (bodies[access.of] ?? '{}')
    const sent = { token, ...(method === 'POST' && { body }) }
    t.match(await ask(method, concrete(path), sent), { status: 403 }, `${method} ${path}`)
  }
  t.match((await ask('GET', '/v1/resources', { token })).json, { resources: [] })
  t.match((await ask('GET', '/v1/services', { token })).json, { services: [] })
  t.match((await ask('GET', '/v1/services?detail=true', { token })).json, { services: [] })
  t.match((await ask('GET', '/v1/api-tokens', { token })).json, { tokens: [{ name: 'ann' }] })
  t.match((await ask('GET', '/v1/audit', { token })).json, { entries: [] })
  const listed = await operator('GET', '/v1/resources')
  t.equal((listed.json as { resources: unknown[] }).resources.length, 1)
})

t.test('an operator of a namespace writes and reads there, and is told which role is missing elsewhere', async t => {
  const { ask, tokenOf } = await createApiWorld(t)
  const token = await tokenOf('ann', 'operator:shop')
  t.match(await ask('POST', '/v1/resources', { token, body: policy('shop') }), { status: 200 })
  t.match(await ask('GET', '/v1/resources', { token }), { json: { resources: [{ document: { kind: /Peer/ } }] } })
  t.match(await ask('POST', '/v1/resources', { token, body: policy('pay') }), {
    status: 403,
    json: {
      code: 'WEFT_FORBIDDEN',
      message: 'the role operator:pay is missing to write resources',
      fields: { missing: 'operator:pay', has: ['operator:shop'] },
      next: /weft api-token create --role operator:pay/,
    },
  })
  t.match(await ask('GET', '/v1/status', { token }), { status: 403, json: { fields: { missing: 'auditor' } } })
  t.match(await ask('GET', '/v1/audit', { token }), { status: 403, json: { fields: { missing: 'auditor' } } })
  t.match(await ask('DELETE', '/v1/resources/PeerAuthentication/shop/strict', { token }), { status: 200 })
})

t.test('resources of several namespaces are judged one by one, and written all or not at all', async t => {
  const { ask, operator, tokenOf } = await createApiWorld(t)
  const body = [policy('shop'), policy('pay'), policy('store')].join('\n---\n')
  const some = await tokenOf('ann', 'operator:shop', 'operator:pay')
  t.match(await ask('POST', '/v1/resources', { token: some, body }), {
    status: 403,
    json: { fields: { missing: 'operator:store' } },
  })
  t.match((await operator('GET', '/v1/resources')).json, { resources: [] })
  const all = await tokenOf('bob', 'operator:shop', 'operator:pay', 'operator:store')
  t.match(await ask('POST', '/v1/resources', { token: all, body }), { json: { applied: [{}, {}, {}] } })
})

t.test('settings of the whole mesh are not for operators of a namespace, wherever they are written', async t => {
  const { ask, tokenOf } = await createApiWorld(t)
  const token = await tokenOf('ann', 'operator:weft-system')
  const body = JSON.stringify({
    apiVersion: 'weft.dev/v1',
    kind: 'MeshSettings',
    metadata: { name: 'mesh', namespace: 'weft-system' },
    spec: {},
  })
  t.match(await ask('POST', '/v1/resources', { token, body }), { json: { fields: { missing: 'operator' } } })
})

t.test('nobody makes a token that can do more than they can', async t => {
  const { ask, tokenOf } = await createApiWorld(t)
  const token = await tokenOf('ann', 'admin:shop')
  const make = (...roles: string[]) =>
    ask('POST', '/v1/api-tokens', { token, body: JSON.stringify({ name: 'new', roles }) })
  t.match(await make('operator:shop', 'auditor:shop'), { status: 200, json: { token: /^weftapi1_/ } })
  for (const roles of [['operator'], ['admin:pay'], ['operator:shop', 'auditor']]) {
    t.match(await make(...roles), { status: 403, json: { code: 'WEFT_FORBIDDEN' } }, roles.join())
  }
  for (const roles of [['root'], ['operator:'], ['operator:a:b'], ['operator:A_b'], []]) {
    t.match(await make(...roles), { status: 400, json: { code: 'WEFT_USAGE' } }, roles.join())
  }
})

t.test('tokens end by time and by being revoked, and their secrets are never listed', async t => {
  const { ask, operator, clock, tokenOf } = await createApiWorld(t)
  const made = await operator('POST', '/v1/api-tokens', '{"name":"ci","roles":["operator:shop"],"ttlMs":60000}')
  const token = String(made.json.token)
  t.match(await ask('GET', '/v1/resources', { token }), { status: 200 })
  const listed = JSON.stringify((await operator('GET', '/v1/api-tokens')).json)
  t.match(listed, /"ci".*operator:shop.*usable/)
  t.notMatch(listed, /hash/)
  t.notOk(listed.includes(token.split('_')[1] ?? ''))
  await clock.advance(60_000)
  t.match(await ask('GET', '/v1/resources', { token }), { status: 401, json: { message: /has expired/ } })
  const other = await tokenOf('bob', 'auditor')
  const { tokens } = (await operator('GET', '/v1/api-tokens')).json as { tokens: { id: string; name: string }[] }
  const idOf = (name: string) => tokens.find(one => one.name === name)?.id
  t.match(await operator('DELETE', `/v1/api-tokens/${idOf('bob')}`), { status: 200 })
  t.match(await ask('GET', '/v1/resources', { token: other }), { status: 401, json: { message: /was revoked/ } })
  t.match(await operator('DELETE', `/v1/api-tokens/${idOf('bob')}`), { status: 404 })
  t.match(await operator('DELETE', '/v1/api-tokens/admin'), {
    status: 400,
    json: { message: /last token of an admin/ },
  })
})

t.test('no request that reads changes anything', async t => {
  const { operator, routes, store, confirmed } = await createApiWorld(t)
  await operator('POST', '/v1/resources', policy('shop'))
  const state = async () => ({
    resources: await store.resources.list(),
    joinTokens: await store.joinTokens.list(),
    nodes: await store.nodes.list(),
    apiTokens: await store.apiTokens.list(),
    confirmed: confirmed.length,
  })
  const before = await state()
  for (const { path } of routes) {
    for (const query of ['', '?dryRun=false&force=true&_method=DELETE']) {
      await operator('GET', `${concrete(path)}${query}`)
    }
  }
  t.same(await state(), before)
  const verbs = routes
    .filter(({ access }) => access?.verb === ('write' satisfies Need['verb']))
    .map(({ method }) => method)
  t.notOk(verbs.includes('GET'))
})
