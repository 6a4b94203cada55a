import { deepEqual } from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test as Tap } from 'tap'
import { eventually, until } from '../support/eventually.ts'
import { createMesh } from './mesh.ts'
import { failures, startLoad } from './mesh-load.ts'
import { agentMetric, curl, logged, reset, serve } from './mesh-probe.ts'

// a loaded machine of two cores takes more than the usual two minutes
t.setTimeout(240_000)

// `out` is a stranger without an agent; `b` serves two workloads in two namespaces; `a` is a meshed caller.
const mesh = await createMesh(t, {
  hosts: ['a', 'b', 'out'],
  withoutAgent: ['out'],
  files: ({ a, b }) => ({
    'services.yaml': `
services:
  - { name: api, ports: { http: 80, tcp-admin: 81, tcp-echo: 82 } }
  - { name: six, ports: { http: 80, tcp-echo: 82 } }
  - { name: shop, namespace: sales, ports: { http: 80 } }
workloads:
  - { name: web-1, node: a, address: ${a.address4}, serviceAccount: web, uid: 4001 }
  - name: api-1
    node: b
    address: ${b.address4}
    serviceAccount: api
    labels: { app: api }
    services: { api: { http: 8080, tcp-admin: 8081, tcp-echo: 8082 } }
  - { name: six-1, node: b, address: "${b.address6}", serviceAccount: api, labels: { app: six }, services: { six: { http: 8083, tcp-echo: 8084 } } }
  - { name: shop-1, namespace: sales, node: b, address: ${b.address4}, serviceAccount: shop, services: { shop: { http: 8090 } } }
`,
  }),
})
const { a, b, out } = mesh.hosts
await serve(b, 'api', b.address4, ['http=8080', 'http=8081', 'echo=8082', 'http=8090'])
await serve(b, 'six', b.address6, ['http=8083', 'echo=8084'])

const places = {
  http: `http://${b.address4}:8080/`,
  admin: `http://${b.address4}:8081/`,
  six: `http://[${b.address6}]:8083/`,
  shop: `http://${b.address4}:8090/`,
} as const
type Place = keyof typeof places

/** What a stranger gets everywhere: served or not. */
async function served(): Promise<Place[]> {
  const open: Place[] = []
  for (const place of Object.keys(places) as Place[]) {
    const answer = await curl(out, ['--max-time', '3', places[place]])
    if (answer === 'api' || answer === 'six') open.push(place)
    // curl says 7 instead when the reset comes before it has looked whether it is connected, 55 when before it has sent
    else if (answer !== reset && answer !== 'curl 7' && answer !== 'curl 55') throw new Error(`${place}: ${answer}`)
  }
  return open
}

const policy = (namespace: string, name: string, spec: string) => `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: ${name}, namespace: ${namespace} }
spec: ${spec}
`

/** Applies the text and waits until a stranger is served at exactly these places, and calls of the mesh everywhere. */
async function applied(t: Tap, yaml: string, open: readonly Place[]): Promise<void> {
  await mesh.apply(yaml)
  await becomes(t, open)
}

async function removed(t: Tap, yaml: string, open: readonly Place[]): Promise<void> {
  const file = join(mesh.directory, 'delete.yaml')
  writeFileSync(file, yaml)
  await mesh.weft('delete', '--yes', '-f', file)
  await becomes(t, open)
}

async function becomes(t: Tap, open: readonly Place[]): Promise<void> {
  await eventually(async () => deepEqual(await served(), open))
  for (const to of ['api.default.mesh', 'api.default.mesh:81', 'six.default.mesh', 'shop.sales.mesh']) {
    t.match(await curl(a, [`http://${to}/`], { uid: 4001 }), /^(api|six)$/, `the mesh calls ${to}`)
  }
}

/** What `weft explain` says to a stranger, or to someone else: `OK`, or why not and by which policy. */
async function explained(to: string, from = 'outside'): Promise<string> {
  const { stdout } = await mesh.tryWeft('explain', '--from', from, '--to', to, '-o', 'json')
  const { reason, endpoints } = JSON.parse(stdout)
  return reason === 'OK' ? 'OK' : endpoints[0].why
}

const everything: readonly Place[] = ['http', 'admin', 'six', 'shop']
const meshStrict = policy('weft-system', 'default', '{ mtls: { mode: STRICT } }')

t.test('without any policy a stranger is served in plaintext, over either family', async t => {
  await becomes(t, everything)
  t.equal(await explained('api'), 'OK')
  const line = await logged(mesh, 'b', { upstream_host: `${b.address4}:8080`, weft_source: null, weft_reason: 'OK' })
  t.match(line, { weft_direction: 'inbound', response_code: 200, weft_destination: /sa\/api$/ })
  await logged(mesh, 'b', { 'dst.addr': `${b.address4}:8081`, 'src.identity': '', reason: 'OK' })
})

t.test('STRICT for the whole mesh shuts strangers out and names the policy', async t => {
  await applied(t, meshStrict, [])
  for (const [address, port] of [
    [b.address4, 8080],
    [`[${b.address6}]`, 8083],
    [b.address4, 8090],
  ]) {
    const line = await logged(mesh, 'b', { 'dst.addr': `${address}:${port}`, reason: 'MTLS_REQUIRED' })
    t.match(line, { verdict: 'refused', detail: 'PeerAuthentication weft-system/default', 'src.identity': '' })
  }
  for (const to of ['api', 'six', 'shop.sales']) {
    t.equal(await explained(to), 'MTLS_REQUIRED by PeerAuthentication weft-system/default')
    t.equal(await explained(to, 'web'), 'OK')
  }
  t.ok((await agentMetric(b, 'weft_connections_refused_total', 'reason="MTLS_REQUIRED"')) >= 4)
})

t.test('a namespace, a workload and a port each decide for themselves', async t => {
  await applied(t, policy('sales', 'open', '{ mtls: { mode: PERMISSIVE } }'), ['shop'])
  t.equal(await explained('shop.sales'), 'OK')
  await applied(t, policy('default', 'six', '{ selector: { matchLabels: { app: six } }, mtls: { mode: DISABLE } }'), [
    'six',
    'shop',
  ])
  t.equal(await explained('six'), 'OK')
  const spec =
    '{ selector: { matchLabels: { app: api } }, mtls: { mode: STRICT }, portLevelMtls: { "8081": { mode: PERMISSIVE } } }'
  await applied(t, policy('default', 'api', spec), ['admin', 'six', 'shop'])
  t.equal(await explained('api:81'), 'OK')
  t.equal(await explained('api:80'), 'MTLS_REQUIRED by PeerAuthentication default/api')
  // the call before may have been refused by the policy before
  await served()
  await logged(mesh, 'b', { 'dst.addr': `${b.address4}:8080`, detail: 'PeerAuthentication default/api' })
})

t.test('deleting policies gives back what held before them', async t => {
  await removed(t, policy('default', 'api', '{}'), ['six', 'shop'])
  t.equal(await explained('api'), 'MTLS_REQUIRED by PeerAuthentication weft-system/default')
  await removed(t, `${policy('default', 'six', '{}')}---${policy('sales', 'open', '{}')}`, [])
  await removed(t, meshStrict, everything)
  t.equal((await mesh.weft('get', '-o', 'json')).trim(), '[]')
})

t.test('a plaintext connection that is open is cut when STRICT comes, one of the mesh goes on', async t => {
  const stranger = await startLoad(out, { kept: `kept@${b.address4}/8082` })
  const member = await startLoad(a, { kept: 'kept@api.default.mesh/82' }, { uid: 4001 })
  await until('both are served', async () => {
    const [theirs, ours] = await Promise.all([stranger.report(), member.report()])
    return theirs.kept.succeeded > 0 && ours.kept.succeeded > 0
  })
  t.equal(failures((await stranger.report()).kept), 0)
  await mesh.apply(meshStrict)
  await until('the stranger is cut off and stays so', async () => {
    const { tried, succeeded, failed } = (await stranger.report()).kept
    return tried > 0 && succeeded === 0 && Object.keys(failed).every(code => code === 'ECONNRESET')
  })
  t.equal(failures((await member.report()).kept), 0)
  await removed(t, meshStrict, everything)
  await Promise.all([stranger.stop(), member.stop()])
})

t.test('flushed rules let no stranger past STRICT', async t => {
  await applied(t, meshStrict, [])
  const stranger = await startLoad(out, { v4: `new@${b.address4}/8082`, v6: `new@${b.address6}/8084` })
  const repairs = () => agentMetric(b, 'weft_capture_repairs_total')
  const before = await repairs()
  for (const tool of ['iptables', 'ip6tables']) await b.must(tool, ['-t', 'nat', '-F'])
  await until('the rules are back', async () => (await repairs()) > before)
  const { v4, v6 } = await stranger.report()
  for (const { tried, succeeded } of [v4, v6])
    t.match({ succeeded, wasTried: tried > 0 }, { succeeded: 0, wasTried: true })
  await stranger.stop()
  await removed(t, meshStrict, everything)
})

t.test('a bad resource is refused with file, line and column, and changes nothing', async t => {
  const bad = join(mesh.directory, 'bad.yaml')
  const good = policy('sales', 'fine', '{ mtls: { mode: STRICT } }').trim()
  for (const [text, problem] of [
    [`${good}\n---${policy('default', 'typo', '\n  mtls:\n    mode: STRIKT')}`, /bad\.yaml:\d+:\d+: .*STRICT/],
    [
      `${good}\n---${policy('default', 'typo', '\n  mtlss:\n    mode: STRICT')}`,
      /bad\.yaml:\d+:\d+: .*mtlss.*did you mean mtls/,
    ],
    [
      `${good}\n---\napiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: { name: x }\n`,
      /bad\.yaml:\d+:\d+: .*EnvoyFilter/,
    ],
    [`${good}\n---\nkind: [`, /bad\.yaml:\d+:\d+: /],
  ] as const) {
    writeFileSync(bad, text)
    const { code, stderr, stdout } = await mesh.tryWeft('apply', '-f', bad)
    t.equal(code, 2)
    t.equal(stdout, '')
    t.match(stderr, problem)
    t.notMatch(stderr, /\n\s+at /, 'no stack trace')
    t.equal((await mesh.weft('get', '-o', 'json')).trim(), '[]')
  }
  t.same(await served(), everything)
})
