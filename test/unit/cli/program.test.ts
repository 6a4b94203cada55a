import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runCommand as run } from '../../support/command-line.ts'

function fileWith(t: Test, text: string): string {
  const file = join(t.testdir(), 'resources.yaml')
  writeFileSync(file, text)
  return file
}

const policy = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: strict, namespace: shop }
spec: { mtls: { mode: STRICT } }
`

t.test('a token is asked for with its node, identities and life, and printed alone', async t => {
  const { printed, asked } = await run('token create --node vm1 --identity shop/web --identity shop/api --ttl 30m', {
    '/v1/tokens': { token: 'the-token' },
  })
  t.equal(printed, 'the-token')
  t.same(asked, ['POST /v1/tokens {"node":"vm1","identities":["shop/web","shop/api"],"ttlMs":1800000}'])
})

t.test('tokens are listed with what became of them, and revoked by id', async t => {
  const token = { id: 'a1', node: 'vm1', identities: [], state: 'usable', createdAt: 0, expiresAt: 3_600_000 }
  const { printed } = await run('token list', { '/v1/tokens': { tokens: [token] } })
  t.match(printed, /a1 +vm1 +\(as declared\) +usable +in 60 min/)
  t.same((await run('token revoke a/1')).asked, ['DELETE /v1/tokens/a%2F1'])
})

t.test('a life that is no duration is refused before anybody is asked', async t => {
  await t.rejects(run('token create --node vm1 --ttl soon'), { code: 'WEFT_USAGE', message: 'soon is no duration' })
})

t.test('resources of a file are applied by the server, or only tried', async t => {
  const file = fileWith(t, policy)
  const applied = [{ kind: 'PeerAuthentication', namespace: 'shop', name: 'strict', change: 'created' }]
  const { printed, asked } = await run(`apply -f ${file} --dry-run`, { '/v1/resources': { applied } })
  t.equal(printed, 'PeerAuthentication shop/strict created (dry run)')
  t.match(asked[0], /^POST \/v1\/resources\?file=[^&]*resources.yaml&dryRun=true /)
})

t.test('warnings of an apply follow what was applied, at their place', async t => {
  const applied = [{ kind: 'VirtualService', namespace: 'shop', name: 'cart', change: 'updated' }]
  const warning = {
    severity: 'warning',
    code: 'unknown-host',
    resource: 'VirtualService shop/cart',
    didYouMean: 'cart',
  }
  const at = { file: 'a.yaml', line: 7, column: 9, path: 'spec.http[0].mirror.host', message: 'card is no service' }
  const answer = { '/v1/resources': { applied, warnings: [{ ...warning, ...at }] } }
  const { printed } = await run(`apply -f ${fileWith(t, policy)}`, answer)
  t.equal(
    printed,
    [
      'VirtualService shop/cart updated',
      'a.yaml:7:9: warning: spec.http[0].mirror.host: card is no service, did you mean cart?',
    ].join('\n'),
  )
})

t.test('resources that a file names are deleted, and none of a file with a mistake', async t => {
  const there = { document: { kind: 'PeerAuthentication', metadata: { name: 'strict', namespace: 'shop' } } }
  const { printed, asked } = await run(`delete --yes -f ${fileWith(t, policy)}`, {
    '/v1/resources': { resources: [there] },
  })
  t.equal(printed, 'PeerAuthentication shop/strict deleted')
  t.same(asked, ['GET /v1/resources', 'DELETE /v1/resources/PeerAuthentication/shop/strict'])
  await t.rejects(run(`delete -f ${fileWith(t, `${policy}\n---\nkind: Nonsense\n`)}`), {
    code: 'WEFT_RESOURCE_INVALID',
  })
})

t.test('of a file that names something that is not there nothing is deleted', async t => {
  const deleting = run(`delete -f ${fileWith(t, policy)}`, { '/v1/resources': { resources: [] } })
  await t.rejects(deleting, { code: 'WEFT_NOT_FOUND', message: 'there is no PeerAuthentication shop/strict' })
})

t.test('a kind that nobody knows is refused with the one that was probably meant', async t => {
  await t.rejects(run('get PeerAuthentification'), { code: 'WEFT_USAGE', next: 'did you mean PeerAuthentication?' })
})

t.test('a resource that was asked for by name and is not there is an error', async t => {
  await t.rejects(run('get peerauthentication strict', { '/v1/resources': { resources: [] } }), {
    code: 'WEFT_NOT_FOUND',
  })
})

t.test('a file that is not there is a mistake of the command line', async t => {
  await t.rejects(run('apply -f /nowhere/at-all.yaml'), { code: 'WEFT_USAGE' })
})

t.test('what a registry says is believed on demand, and it is said whether anything was held', async t => {
  const path = '/v1/registries/files/confirm'
  const held = await run('registries confirm files', { [path]: { confirmed: true } })
  t.same(held.asked, [`POST ${path}`])
  t.equal(held.printed, 'what files says now is in use')
  t.equal(
    (await run('registries confirm files', { [path]: { confirmed: false } })).printed,
    'nothing of files was held back',
  )
})

t.test('status shows who is connected, stale or never seen, and who refused what', async t => {
  const agent = { since: 0, banned: false, facts: {}, configVersion: 3, answeredVersion: 3, rejected: [] }
  const registry = { kind: 'static', services: 2, workloads: 4, problems: [], flapping: 0, since: 0 }
  const status = {
    server: 's1',
    version: '0.1.0',
    trustDomain: 'mesh.local',
    now: 60_000,
    agents: [
      { ...agent, node: 'vm1', state: 'connected', transport: 'grpc', certificateExpiresAt: 86_460_000 },
      { ...agent, node: 'vm2', state: 'stale', rejected: [{ name: 'service/shop/api', reason: 'too odd' }] },
      { ...agent, node: 'vm3', state: 'never', answeredVersion: 0 },
    ],
    registries: [
      { ...registry, name: 'files', state: 'fresh' },
      {
        ...registry,
        name: 'consul',
        state: 'stale',
        reason: 'no answer',
        held: { workloads: 9, services: 1, answering: 0, since: 0, until: 120_000 },
      },
    ],
    problems: [{ item: 'service shop/web', reason: 'is said twice' }],
  }
  const { printed } = await run('status', { '/v1/status': status })
  t.match(printed, /vm1 +connected 60 s +grpc +3 acked +in 24 h/)
  t.match(printed, /vm2 +stale 60 s +- +3 nacked +-/)
  t.match(printed, /vm3 +not seen yet +- +- +-/)
  t.match(printed, /! agent vm2 does not take service\/shop\/api and keeps its last good version: too odd/)
  t.match(printed, /files +static +fresh 60 s/)
  t.match(printed, /! registry consul is stale since .*: no answer/)
  t.match(printed, /! registry consul: 1 service and 9 workloads disappeared at once/)
  t.match(printed, /! service shop\/web: is said twice/)
  t.same(JSON.parse((await run('status -o json', { '/v1/status': status })).printed), status)
})

t.test('a connection that would be refused ends with status 1, and the steps say why', async t => {
  t.teardown(() => {
    process.exitCode = undefined
  })
  const explanation = {
    verdict: 'refused',
    reason: 'NO_HEALTHY_ENDPOINT',
    steps: [{ ok: true, what: 'caller', detail: 'shop/web sits on vm1' }],
    endpoints: [
      { usable: false, workload: 'files/shop/api', address: '10.0.0.2:80', transport: 'mtls', why: 'unhealthy' },
    ],
  }
  const { printed, asked } = await run('explain --from web --to api.shop:80', { '/v1/explain': explanation })
  t.same(asked, ['GET /v1/explain?from=web&to=api.shop%3A80'])
  t.match(printed, /NO +files\/shop\/api +10\.0\.0\.2:80 +mtls +- +unhealthy/)
  t.match(printed, /web to api\.shop:80 is refused: NO_HEALTHY_ENDPOINT/)
  t.equal(process.exitCode, 1)
})

t.test(
  'a request is asked about with its method, path and headers, and rules that passed it by are told apart',
  async t => {
    const explanation = {
      verdict: 'allowed',
      reason: 'REDIRECT',
      steps: [
        { ok: true, passedOver: true, what: 'rule', detail: 'VirtualService shop/api http[0]: the path is not "/a"' },
        { ok: true, what: 'rule', detail: 'VirtualService shop/api http[1] (moved)' },
      ],
      endpoints: [
        { usable: true, workload: 'files/shop/api', address: '10.0.0.2:80', transport: 'mtls', why: 'takes new' },
      ],
      request: { destinations: [{ endpoints: [{ address: '10.0.0.2:80', priority: 1 }] }] },
    }
    const line = 'explain --from web --to api --method POST --path /x?y=1 --header x-a:1 --header host:b'
    const { printed, asked } = await run(line, { '/v1/explain': explanation })
    t.same(asked, ['GET /v1/explain?from=web&to=api&method=POST&path=%2Fx%3Fy%3D1&header=x-a%3A1&header=host%3Ab'])
    t.match(printed, /-- +rule +VirtualService shop\/api http\[0\]: the path is not/)
    t.match(printed, /ok +rule +VirtualService shop\/api http\[1\] \(moved\)/)
    t.match(printed, /WHY +PRIORITY\nok .* takes new +1\n/)
    t.match(printed, /web to api is answered by the rule: REDIRECT/)
    t.not(process.exitCode, 1)
  },
)

for (const line of ['agnet run', 'agent run --sever x', 'registries confirm', 'token create']) {
  t.test(`weft ${line} is a mistake that commander tells, without ending the process`, async t => {
    await t.rejects(run(line), { name: 'CommanderError' })
  })
}

const registered = {
  group: 'default/payments',
  name: 'vm-1',
  address: '10.0.0.1',
  ports: { http: 8080 },
  maintenance: '',
  from: 'command',
  state: 'published',
}

t.test('a registration is given to the agent of this host as it was written', async t => {
  const answers = { '/register': { name: 'vm-1' } }
  const { printed, asked } = await run('register --group a/b --address 10.0.0.1 --port http=80 --port x=1', answers)
  t.match(printed, /^vm-1 is registered here/)
  t.same(asked, ['POST /register {"group":"a/b","address":"10.0.0.1","ports":{"http":80,"x":1}}'])
})

t.test('registrations are listed with what became of them', async t => {
  const waiting = { ...registered, name: 'vm-2', ports: {}, state: 'unreported', detail: 'wait' }
  const { printed, asked } = await run('register --list', {
    '/status': { registrations: [{ ...registered, maintenance: 'disk swap' }, waiting] },
  })
  t.same(asked, ['GET /status'])
  t.match(printed, /vm-1 +default\/payments +10.0.0.1 +http=8080 +command +published, maintenance: disk swap\n/)
  t.match(printed, /vm-2 .*\(of the group\) +command +unreported\n\n! unreported: wait$/)
})

t.test('a workload is taken out of service with a reason, and back in without one', async t => {
  const answers = { '/maintain': { name: 'vm-1' }, '/deregister': { name: 'vm-1' } }
  t.same((await run('maintain vm-1', answers)).asked, ['POST /maintain {"name":"vm-1","reason":"maintenance"}'])
  t.same((await run('maintain vm-1 --reason disk', answers)).asked, ['POST /maintain {"name":"vm-1","reason":"disk"}'])
  const off = await run('maintain vm-1 --off', answers)
  t.same(off.asked, ['POST /maintain {"name":"vm-1","reason":""}'])
  t.equal(off.printed, 'vm-1 is back in service')
  t.same((await run('deregister vm-1', answers)).asked, ['POST /deregister {"name":"vm-1"}'])
})
