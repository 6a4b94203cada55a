import t from 'tap'
import { createApiWorld } from '../../../support/api-world.ts'

const policy = (name: string, labels?: object) =>
  JSON.stringify({
    apiVersion: 'security.istio.io/v1',
    kind: 'PeerAuthentication',
    metadata: { name, namespace: 'default' },
    spec: { mtls: { mode: 'STRICT' }, ...(labels !== undefined && { selector: { matchLabels: labels } }) },
  })

t.test('resources are applied, listed by kind, namespace and name, and deleted', async t => {
  const { operator } = await createApiWorld(t)
  t.match(await operator('POST', '/v1/resources?file=a.yaml', policy('strict')), {
    status: 200,
    json: { applied: [{ change: 'created' }] },
  })
  const count = async (query: string) => {
    const { json } = await operator('GET', `/v1/resources${query}`)
    return (json as { resources: unknown[] }).resources.length
  }
  t.equal(await count(''), 1)
  t.equal(await count('?kind=peerauthentication&namespace=default&name=strict'), 1, 'kinds in any case')
  t.equal(await count('?kind=ServiceEntry'), 0)
  t.equal(await count('?namespace=shop'), 0)
  t.match(await operator('DELETE', '/v1/resources/PeerAuthentication/default/strict'), { status: 200 })
  t.match(await operator('DELETE', '/v1/resources/PeerAuthentication/default/strict'), {
    status: 404,
    json: { message: 'there is no PeerAuthentication default/strict' },
  })
})

t.test('a dry run stores nothing', async t => {
  const { operator } = await createApiWorld(t)
  t.match(await operator('POST', '/v1/resources?dryRun=true', policy('strict')), { json: { applied: [{}] } })
  t.same((await operator('GET', '/v1/resources')).json, { resources: [] })
})

t.test('a bad document answers 422 with every place, a collision 409 naming both', async t => {
  const { operator } = await createApiWorld(t)
  const bad =
    'apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: { name: x }\nspec: { a: 1, b: 2 }\n'
  t.match(await operator('POST', '/v1/resources?file=a.yaml', bad), {
    status: 422,
    json: { code: 'WEFT_RESOURCE_INVALID', fields: { problems: [/^a\.yaml:4:9: /, /^a\.yaml:4:15: /] } },
  })
  await operator('POST', '/v1/resources', policy('by-app', { app: 'api' }))
  t.match(await operator('POST', '/v1/resources', policy('by-tier', { tier: 'back' })), {
    status: 409,
    json: { code: 'WEFT_RESOURCE_CONFLICT', message: /by-tier.*by-app.*workload default\/api-1/ },
  })
})

t.test('explain and confirm answer by the server’s state', async t => {
  const { operator, confirmed } = await createApiWorld(t)
  t.match(await operator('GET', '/v1/explain?to=api.default'), { json: { verdict: 'allowed', reason: 'OK' } })
  t.match(await operator('GET', '/v1/explain'), { status: 404 })
  t.match(await operator('GET', '/v1/services'), { json: { services: [{ name: 'api', healthy: 1, endpoints: 1 }] } })
  t.match(await operator('POST', '/v1/registries/files/confirm'), { status: 200, json: { confirmed: true } })
  t.same(confirmed, ['files'])
})

t.test('a request is explained by the rules applied, and a header that is none is refused', async t => {
  const { operator } = await createApiWorld(t)
  const query = 'to=api.default&path=/x&header=x-user:%20ann'
  t.match(await operator('GET', `/v1/explain?from=outside&${query}`), {
    json: { verdict: 'allowed', steps: [{ what: 'rules', detail: /callers in the mesh/ }] },
  })
  t.match(await operator('GET', '/v1/explain?to=api.default&header=nonsense'), {
    status: 400,
    json: { code: 'WEFT_USAGE', message: /no header/ },
  })
})

t.test('join tokens are made, listed without their secret, and revoked', async t => {
  const { operator } = await createApiWorld(t)
  const made = await operator('POST', '/v1/tokens', '{"node":"vm-1","identities":["default/web"]}')
  t.match(made, { status: 200, json: { token: /./, node: 'vm-1', state: 'usable' } })
  const listed = await operator('GET', '/v1/tokens')
  t.match(listed.json, { tokens: [{ id: made.json.id, node: 'vm-1', identities: ['default/web'] }] })
  t.notOk(JSON.stringify(listed.json).includes(String(made.json.token)))
  t.match(await operator('DELETE', `/v1/tokens/${made.json.id}`), { status: 200 })
  t.match((await operator('GET', '/v1/tokens')).json, { tokens: [{ state: 'revoked' }] })
  t.match(await operator('DELETE', `/v1/tokens/${made.json.id}`), { status: 404 })
  for (const body of [
    '{"node":"vm-1","ttlMs":"1h"}',
    '{"node":"vm-1","identities":"x"}',
    '{"node":"vm-1","ttlMs":1}',
  ]) {
    t.match(await operator('POST', '/v1/tokens', body), { status: 400, json: { code: 'WEFT_USAGE' } }, body)
  }
})

t.test('what there is to say of the applied is asked for apart', async t => {
  const { operator } = await createApiWorld(t)
  t.same((await operator('GET', '/v1/findings')).json, { findings: [] })
  const text = JSON.stringify({
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name: 'cart', namespace: 'shop' },
    spec: {
      hosts: ['cart'],
      http: [{ match: [{ uri: { prefix: '/a' } }], route: [{ destination: { host: 'cart' } }] }],
    },
  })
  t.match(await operator('POST', '/v1/resources?file=a.yaml', text), {
    json: { warnings: [{ code: 'raw-prefix', file: 'a.yaml', line: 1 }] },
  })
  t.match((await operator('GET', '/v1/findings')).json, {
    findings: [{ severity: 'warning', code: 'raw-prefix', resource: 'VirtualService shop/cart' }],
  })
})

t.test('who writes either side of a delegation is told at the line what of it is never used', async t => {
  const { operator } = await createApiWorld(t)
  const written = (name: string, spec: object) =>
    JSON.stringify(
      { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name, namespace: 'shop' }, spec },
      null,
      1,
    )
  const match = (prefix: string) => [{ uri: { prefix } }]
  const root = written('root', { hosts: ['cart'], http: [{ match: match('/p/'), delegate: { name: 'kid' } }] })
  const kid = written('kid', { http: [{ match: match('/q/'), route: [{ destination: { host: 'cart' } }] }] })
  t.match(await operator('POST', '/v1/resources?file=root.yaml', root), {
    json: { warnings: [{ code: 'unknown-delegate', file: 'root.yaml', line: 22, path: 'spec.http[0].delegate.name' }] },
  })
  t.match(await operator('POST', '/v1/resources?file=kid.yaml', kid), {
    json: { warnings: [{ code: 'delegate-conflict', file: 'kid.yaml', line: 12, path: 'spec.http[0].match[0]' }] },
  })
  t.match(await operator('POST', '/v1/resources?file=root.yaml', root), {
    json: { warnings: [{ code: 'delegate-conflict', file: 'root.yaml', path: 'spec.http[0].delegate.name' }] },
  })
})
