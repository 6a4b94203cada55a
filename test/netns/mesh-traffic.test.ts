import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createMesh } from './mesh.ts'
import { agentStatus, call, curl, logged, serve } from './mesh-probe.ts'
import { testBytes } from './programs/test-bytes.ts'

const uids = { web: 4001, batch: 4002 }
const units = { jobs: 'system.slice/jobs.service', api: 'system.slice/api.service' }
const identity = (account: string) => `spiffe://mesh.local/ns/default/sa/${account}`

// One mesh for all of this file: `a` calls, `b` serves under two identities, `out` is a stranger without an agent.
const mesh = await createMesh(t, {
  hosts: ['a', 'b', 'out'],
  withoutAgent: ['out'],
  overGrpc: ['b'],
  server: { defaultIdentity: 'default/host' },
  identities: { b: ['default/api', 'default/reports', 'default/host'] },
  files: ({ a, b, out }) => ({
    'services.yaml': `
services:
  - { name: api, ports: { http: 80, tcp-echo: 9000, tcp-sum: 9001, tcp-banner: 9002, tcp-deaf: 9003, tcp-h2c: 9004, tcp-grpc: 9005 } }
  - { name: reports, ports: { http: 80 } }
  - { name: six, ports: { http: 80 } }
workloads:
  - { name: web-1, node: a, address: ${a.address4}, serviceAccount: web, uid: ${uids.web} }
  - { name: batch-1, node: a, address: ${a.address4}, serviceAccount: batch, uid: ${uids.batch} }
  - { name: jobs-1, node: a, address: ${a.address4}, serviceAccount: jobs, cgroup: ${a.cgroupPath(units.jobs)} }
  - name: api-1
    node: b
    address: ${b.address4}
    serviceAccount: api
    cgroup: ${b.cgroupPath(units.api)}
    services: { api: { http: 8080, tcp-echo: 9100, tcp-sum: 9101, tcp-banner: 9102, tcp-deaf: 9103, tcp-h2c: 9104, tcp-grpc: 9105 } }
  - { name: reports-1, node: b, address: ${b.address4}, serviceAccount: reports, services: { reports: { http: 8081 } } }
  - { name: six-1, node: b, address: "${b.address6}", serviceAccount: reports, services: { six: { http: 8082 } } }
`,
    'entries.yaml': `
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: shop-1, namespace: default, labels: { app: shop }, annotations: { weft.dev/node: b } }
spec: { address: ${b.address4}, serviceAccount: reports, ports: { http: 8083 } }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: shop, namespace: default }
spec:
  hosts: [shop.example.com]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{ number: 80, name: http, protocol: HTTP }]
  workloadSelector: { labels: { app: shop } }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: partner, namespace: default }
spec:
  hosts: [partner.example.com]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{ number: 80, name: http, protocol: HTTP, targetPort: 8090 }]
  endpoints: [{ address: ${out.address4} }]
`,
  }),
})
const { a, b, out } = mesh.hosts
const asWeb = { uid: uids.web }
const apiKinds = ['http=8080', 'echo=9100', 'sum=9101', 'banner=9102', 'deaf=9103', 'h2c=9104']
const api = await serve(b, 'api', b.address4, apiKinds, { cgroup: units.api })
const grpc = b.spawn(process.execPath, [join(import.meta.dirname, 'programs/grpc-serve.ts'), b.address4, '9105'])
const shop = await serve(b, 'reports', b.address4, ['http=8083'])
await Promise.all([
  grpc.line('listening'),
  serve(b, 'reports', b.address4, ['http=8081']),
  serve(b, 'six', b.address6, ['http=8082']),
  serve(out, 'partner', out.address4, ['http=8090']),
])

/** How many requests a host's agent has counted with these labels. */
async function requests(host: 'a' | 'b', labels: Readonly<Record<string, string>>): Promise<number> {
  const metrics = await mesh.hosts[host].must('curl', ['-sS', '--max-time', '5', 'http://127.0.0.1:15020/metrics'])
  const wanted = Object.entries(labels).map(([name, value]) => `${name}="${value}"`)
  const lines = metrics.split('\n').filter(line => line.startsWith('istio_requests_total{'))
  const counted = lines.filter(line => wanted.every(label => line.includes(label)))
  return counted.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}

t.test('both agents are connected, one over each transport', async t => {
  const { agents } = await mesh.status()
  t.same(Object.fromEntries(agents.map(({ node, transport }) => [node, transport])), { a: 'websocket', b: 'grpc' })
})

t.test('an unmodified client reaches a service by its mesh name, over either family', async t => {
  t.equal(await curl(a, ['-4', 'http://api.default.mesh/'], asWeb), 'api')
  t.equal(await curl(a, ['-6', 'http://api.default.mesh/'], asWeb), 'api')
  t.equal(await curl(a, ['http://six.default.mesh/'], asWeb), 'six', 'an endpoint with an IPv6 address')
  const request = { method: 'GET', path: '/', authority: 'api.default.mesh', response_code: 200 }
  const line = await logged(mesh, 'b', { weft_direction: 'inbound', weft_reason: 'OK', ...request })
  t.match(line, {
    weft_source: identity('web'),
    weft_destination: identity('api'),
    upstream_host: `${b.address4}:8080`,
  })
  t.ok((await requests('b', { destination_workload: 'api-1', destination_service: 'api.default.mesh' })) >= 2)
})

t.test('a client that knows the endpoint’s own address is meshed too, over either family', async t => {
  t.equal(await curl(a, [`http://${b.address4}:8081/`], asWeb), 'reports')
  t.equal(await curl(a, [`http://[${b.address6}]:8082/`], asWeb), 'six')
  const meant = { downstream_local_address: `${b.address4}:8081`, weft_reason: 'OK' }
  const line = await logged(mesh, 'a', { weft_direction: 'outbound', ...meant })
  t.match(line, { weft_source: identity('web'), weft_destination: identity('reports'), response_code: 200 })
  const secured = { source_workload: 'web-1', connection_security_policy: 'mutual_tls' }
  t.ok((await requests('b', { destination_workload: 'reports-1', ...secured })) >= 1)
})

t.test('a ServiceEntry’s host inside the mesh goes over mutual TLS, one outside in plaintext', async t => {
  t.equal(await curl(a, ['http://shop.example.com/'], asWeb), 'reports')
  const inside = await logged(mesh, 'a', { authority: 'shop.example.com' })
  t.match(inside, { weft_destination: identity('reports'), upstream_host: `${b.address4}:8083`, response_code: 200 })
  const shop = { destination_service_name: 'shop' }
  t.ok((await requests('b', { ...shop, source_workload: 'web-1', connection_security_policy: 'mutual_tls' })) >= 1)
  t.equal(await curl(a, ['http://partner.example.com/'], asWeb), 'partner')
  const outside = await logged(mesh, 'a', { authority: 'partner.example.com' })
  t.match(outside, { weft_destination: null, upstream_host: `${out.address4}:8090`, response_code: 200 })
  t.equal(await requests('a', { destination_service_name: 'partner', connection_security_policy: 'mutual_tls' }), 0)
  t.ok((await requests('a', { destination_service_name: 'partner', connection_security_policy: 'none' })) >= 1)
})

t.test('half-closed connections work in both directions', async t => {
  t.equal(await call(a, 'tcp', { host: 'api.default.mesh', port: 9000 }, 'hello', asWeb), 'hello')
  const digest = createHash('sha256').update('hello').digest('hex')
  t.equal(await call(a, 'tcp', { host: 'api.default.mesh', port: 9001 }, 'hello', asWeb), `5 ${digest}`)
  t.equal(await call(a, 'late', { host: 'api.default.mesh', port: 9003 }, 'still here', asWeb), 'no more from here')
  t.equal(await api.line('heard'), 'heard still here')
})

t.test('a service that speaks first is heard before the client has said anything', async t => {
  const heard = await call(a, 'listen', { host: 'api.default.mesh', port: 9002 }, 'HELO\n', asWeb)
  t.equal(heard, '220 api is ready\nHELO')
})

t.test('20 MiB arrive whole, up and down, over HTTP and over raw TCP', async t => {
  const size = 20 * 1024 * 1024
  const bytes = testBytes(size)
  const digest = createHash('sha256').update(bytes).digest('hex')
  const file = join(mesh.directory, 'body')
  writeFileSync(file, bytes, { mode: 0o644 })
  const up = ['--data-binary', `@${file}`, '-H', 'Expect:', 'http://api.default.mesh/']
  t.equal(await curl(a, up, asWeb), `${size} ${digest}`)
  const down = `curl -sS --max-time 20 http://api.default.mesh/bytes/${size} | sha256sum`
  t.equal((await a.must('sh', ['-c', down], asWeb)).split(' ')[0], digest)
  t.equal(await call(a, 'upload', { host: 'api.default.mesh', port: 9001 }, String(size), asWeb), `${size} ${digest}`)
})

t.test('HTTP/2 and gRPC pass as opaque bytes', async t => {
  t.equal(await call(a, 'h2c', { host: 'api.default.mesh', port: 9004 }, 'x', asWeb), '/1 x, /2 x, /3 x')
  t.equal(await call(a, 'grpc', { host: 'api.default.mesh', port: 9005 }, 'hi', asWeb), 'hi: one two three')
})

t.test('workloads of one host are told apart by uid and by cgroup, and the far side sees who called', async t => {
  const callers = [
    { account: 'web', options: { uid: uids.web } },
    { account: 'batch', options: { uid: uids.batch } },
    { account: 'jobs', options: { cgroup: units.jobs } },
    { account: 'jobs', options: { cgroup: `${units.jobs}/child` } },
  ]
  for (const [index, { account, options }] of callers.entries()) {
    // the length tells the connections apart in the log
    const said = account.padEnd(1000 + index, '.')
    t.equal(await call(a, 'tcp', { host: 'api.default.mesh', port: 9000 }, said, options), said)
    const line = await logged(mesh, 'b', { bytes_sent: said.length, 'dst.addr': `${b.address4}:9100` })
    t.match(line, { verdict: 'allowed', direction: 'inbound', 'src.identity': identity(account) })
  }
})

t.test('the other way round, the service calls under its own identity', async t => {
  const { host, port } = { host: 'api.default.mesh', port: 9000 }
  t.equal(await call(b, 'tcp', { host, port }, 'myself', { cgroup: units.api }), 'myself')
  await logged(mesh, 'b', { direction: 'inbound', 'src.identity': identity('api'), 'dst.identity': identity('api') })
})

t.test('a process of no workload is refused, or speaks for the host where that has an identity', async t => {
  const stranger = { uid: 4999 }
  const answer = await curl(a, ['-w', ' %{http_code} %header{weft-reason}', 'http://api.default.mesh/'], stranger)
  t.equal(answer, 'unknown caller 403 UNKNOWN_CALLER')
  const line = await logged(mesh, 'a', { weft_reason: 'UNKNOWN_CALLER' })
  t.match(line, { response_code: 403, weft_source: null, authority: 'api.default.mesh' })
  t.equal(await call(a, 'tcp', { host: 'api.default.mesh', port: 9000 }, 'x', stranger), 'ECONNRESET')
  const refused = await logged(mesh, 'a', { reason: 'UNKNOWN_CALLER' })
  t.match(refused, { verdict: 'refused', 'src.identity': '', 'dst.service': 'api.default.mesh' })
  t.equal(await curl(b, ['http://api.default.mesh/'], stranger), 'api')
  await logged(mesh, 'b', { weft_direction: 'inbound', weft_source: identity('host'), weft_reason: 'OK' })
})

t.test('the wire shows nothing of what meshed hosts say, and everything of what others say', async t => {
  const hidden = await mesh.marker('secret-of-the-mesh')
  const seen = await mesh.marker('known-to-everybody')
  for (const to of ['api.default.mesh', b.address4]) {
    const port = to === b.address4 ? 9100 : 9000
    t.equal(await call(a, 'tcp', { host: to, port }, 'secret-of-the-mesh', asWeb), 'secret-of-the-mesh')
  }
  t.equal(await hidden.count(), 0)
  t.equal(await call(out, 'tcp', { host: b.address4, port: 9100 }, 'known-to-everybody'), 'known-to-everybody')
  t.ok((await seen.count()) >= 2, 'there and back')
})

t.test('what is not of the mesh is left alone', async t => {
  const other = await serve(out, 'other', out.address4, ['http=8099'])
  t.equal(await curl(a, [`http://${out.address4}:8099/`], { uid: 4999 }), 'other')
  const ssh = await serve(b, 'ssh', b.address4, ['banner=22'])
  t.match(await call(a, 'listen', { host: b.address4, port: 22 }, 'x'), /^220 ssh is ready/)
  await Promise.all([other.kill(), ssh.kill()])
})

t.test('a service that does not run is refused with a reason that says so', async t => {
  await grpc.kill()
  t.equal(await call(a, 'tcp', { host: 'api.default.mesh', port: 9005 }, 'x', asWeb), 'ECONNRESET')
  t.match(await logged(mesh, 'a', { reason: 'CONNECT_REFUSED' }), { detail: /^LOCAL_CONNECT/ })
  await logged(mesh, 'b', { reason: 'LOCAL_CONNECT' })
  await shop.kill()
  const answer = await curl(a, ['-w', '\\n%{http_code} %header{weft-reason}', 'http://shop.example.com/'], asWeb)
  t.match(answer, /^upstream connect error .*connection failure\n503 CONNECT_REFUSED LOCAL_CONNECT .*ECONNREFUSED/)
  const [seen, met] = [{ weft_reason: 'CONNECT_REFUSED' }, { weft_reason: 'LOCAL_CONNECT' }]
  t.match(await logged(mesh, 'a', seen), { response_code: 503, response_flags: /UF/, weft_detail: /^LOCAL_CONNECT/ })
  t.match(await logged(mesh, 'b', met), { response_code: 503, weft_source: identity('web') })
})

t.test('both agents say that all is well, and have seen nothing that is not of the mesh', async t => {
  const seen = mesh
    .accessLog('a')
    .flatMap(line => [line['dst.addr'], line.downstream_local_address, line.upstream_host])
  t.notOk(seen.includes(`${out.address4}:8099`) || seen.includes(`${b.address4}:22`))
  for (const name of ['a', 'b'] as const) {
    t.match(await agentStatus(mesh, name), { ready: true, notReady: [], stateProblems: [], config: { rejected: [] } })
  }
})
