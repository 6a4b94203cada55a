import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { eventually } from '../support/eventually.ts'
import { answerOn, program } from './captured-host.ts'
import { must } from './commands.ts'
import { curled, web } from './http-mesh.ts'
import { createMesh } from './mesh.ts'
import { logged } from './mesh-probe.ts'

t.setTimeout(300_000)

// `a` calls; `x` and `y` have no agent: services outside of the mesh, as an nginx with TLS and plain servers.
const mesh = await createMesh(t, {
  hosts: ['a', 'x', 'y'],
  withoutAgent: ['x', 'y'],
  agent: { threads: 2 },
  files: ({ a }) => ({
    'services.yaml': `
services: []
workloads:
  - { name: web-1, node: a, address: ${a.address4}, serviceAccount: web, uid: ${web.uid} }
`,
  }),
})
const { a, x, y, cp } = mesh.hosts
const ranged = '198.51.100.7'
await y.must('ip', ['address', 'add', `${ranged}/32`, 'dev', 'lo'])
await a.must('ip', ['route', 'add', '198.51.100.0/24', 'via', y.address4])

const zone = cp.spawn(process.execPath, [
  program('zone-server'),
  `pool.example=${x.address4},${y.address4}`,
  `turns.example=${x.address4},${y.address4}`,
])
await zone.line('listening')
a.resolvConf(`nameserver ${cp.address4}\n`)
await mesh.agents.a.kill('SIGTERM')
await mesh.agents.a.start()

const at = (name: string) => join(mesh.directory, name)
await certificates()
writeFileSync(at('nginx.conf'), nginxConfig())
x.spawn('/usr/sbin/nginx', ['-c', at('nginx.conf'), '-p', mesh.directory, '-g', 'daemon off;'])
await startOrigin(y, 8080, 'y')
await startOrigin(y, 8081, 'unknown')

/** A certificate of the test's own authority, for a name; the last one is the caller's. */
async function certificates(): Promise<void> {
  const openssl = (...args: string[]) => must('openssl', args)
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  await openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    at('ca.key'),
    '-out',
    at('ca.crt'),
    '-subj',
    '/CN=test',
    '-days',
    '2',
  )
  for (const name of ['secure.example', 'client.example']) {
    const file = (ending: string) => at(`${name}.${ending}`)
    await openssl('req', ...key, '-keyout', file('key'), '-out', file('csr'), '-subj', `/CN=${name}`)
    writeFileSync(file('ext'), `subjectAltName=DNS:${name}\n`)
    const by = ['-CA', at('ca.crt'), '-CAkey', at('ca.key'), '-CAcreateserial', '-days', '2', '-extfile', file('ext')]
    await openssl('x509', '-req', '-in', file('csr'), '-out', file('crt'), ...by)
  }
}

function nginxConfig(): string {
  const tls = `ssl_certificate ${at('secure.example.crt')}; ssl_certificate_key ${at('secure.example.key')};`
  return `
error_log stderr; pid ${at('nginx.pid')};
events {}
http {
  access_log off; client_body_temp_path ${at('nginx-body')};
  server { listen 8080; location / { return 200 x; } }
  server { listen 8443 ssl; ${tls} location / { return 200 "$ssl_server_name as $host"; } }
  server { listen 9443 ssl; ${tls} ssl_client_certificate ${at('ca.crt')}; ssl_verify_client on;
    location / { return 200 $ssl_client_s_dn; } }
}`
}

async function startOrigin(host: typeof y, port: number, text: string): Promise<void> {
  const serve = `require('node:http').createServer((_, answer) => answer.end('${text}'))
    .listen(${port}, '::', () => console.log('listening'))`
  await host.spawn(process.execPath, ['-e', serve]).line('listening')
}

const entry = (name: string, spec: string) => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${name}, namespace: default }
spec: ${spec}
---`
const rule = (name: string, host: string, policy: string) => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: ${name}, namespace: default }
spec: { host: ${host}, trafficPolicy: ${policy} }
---`
const sidecar = (spec: string) => `
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: default, namespace: default }
spec: ${spec}
`
const meshSettings = (mode: string) => `
apiVersion: weft.dev/v1
kind: MeshSettings
metadata: { name: mesh, namespace: weft-system }
spec: { outboundTrafficPolicy: { mode: ${mode} } }
`

async function remove(yaml: string): Promise<void> {
  writeFileSync(at('delete.yaml'), yaml)
  await mesh.weft('delete', '-f', at('delete.yaml'))
}

/** `<status> <reason> <body>` of what the workload gets. */
async function got(url: string, args: readonly string[] = []): Promise<string> {
  const format = '\n%{http_code} %header{weft-reason}'
  const { stdout, stderr } = await curled(a, ['-w', format, ...args, url])
  const [said = '', body = ''] = stdout.split('\n').toReversed()
  return `${said.trim()}${body === '' ? '' : ` ${body.trim()}`}${stderr}`
}

async function becomes(url: string, expected: RegExp, args: readonly string[] = []): Promise<void> {
  await eventually(async () => {
    const answer = await got(url, args)
    if (!expected.test(answer)) throw new Error(`${url}: ${answer}`)
  }, 30_000)
}

t.test('a service that DNS knows is all of its addresses, or the first of them', async t => {
  const ports = '[{ number: 8080, name: http, protocol: HTTP }]'
  await mesh.apply(
    entry('pool', `{ hosts: [pool.example], resolution: DNS, ports: ${ports} }`) +
      entry('turns', `{ hosts: [turns.example], resolution: DNS_ROUND_ROBIN, ports: ${ports} }`),
  )
  await mesh.settled()
  for (const answer of ['x', 'y']) await becomes('http://pool.example:8080/', new RegExp(`^200 ${answer}$`))
  await becomes('http://turns.example:8080/', /^200 [xy]$/)
  const first = await got('http://turns.example:8080/')
  for (let times = 0; times < 8; times += 1) t.equal(await got('http://turns.example:8080/'), first)
  const other = first === '200 x' ? { address: y.address4, text: 'y' } : { address: x.address4, text: 'x' }
  zone.write(`turns.example=${other.address}\n`)
  await becomes('http://turns.example:8080/', new RegExp(`^200 ${other.text}$`))
  t.match(await logged(mesh, 'a', { authority: 'turns.example:8080' }), { upstream_host: /:8080$/ })
})

t.test('TLS is originated for a plaintext caller, to whom the certificate must belong', async t => {
  const to = (port: number) =>
    `{ resolution: STATIC, endpoints: [{ address: ${x.address4} }], ports: [{ number: 80, name: http, protocol: HTTP, targetPort: ${port} }], hosts: `
  const tls = (more: string) => `{ tls: { caCertificates: ${at('ca.crt')}, ${more} } }`
  const client = `clientCertificate: ${at('client.example.crt')}, privateKey: ${at('client.example.key')}`
  await mesh.apply(
    entry('secure', `${to(8443)} [secure.example] }`) +
      rule('secure', 'secure.example', tls('mode: SIMPLE')) +
      entry('named', `${to(8443)} [named.example] }`) +
      rule('named', 'named.example', tls('mode: SIMPLE, sni: asked.example, subjectAltNames: [secure.example]')) +
      entry('wrong', `${to(8443)} [wrong.example] }`) +
      rule('wrong', 'wrong.example', tls('mode: SIMPLE, sni: secure.example, subjectAltNames: [other.example]')) +
      entry('other', `${to(8443)} [other.example] }`) +
      rule('other', 'other.example', tls('mode: SIMPLE')) +
      entry('mutual', `${to(9443)} [mutual.example] }`) +
      rule('mutual', 'mutual.example', tls(`mode: MUTUAL, sni: secure.example, ${client}`)) +
      entry('bare', `${to(9443)} [bare.example] }`) +
      rule('bare', 'bare.example', tls('mode: SIMPLE, sni: secure.example')),
  )
  await mesh.settled()
  await becomes('http://secure.example/', /^200 secure\.example as secure\.example$/)
  t.equal(await got('http://named.example/'), '200 asked.example as named.example')
  for (const host of ['wrong.example', 'other.example']) {
    t.match(await got(`http://${host}/`), /^503 UPSTREAM_\w+.*secure\.example/, host)
  }
  t.equal(await got('http://mutual.example/'), '200 CN=client.example')
  t.match(await got('http://bare.example/'), /^400/, 'nginx wants a certificate')
})

t.test('rules hold for a declared range of addresses, and for nothing else at real addresses', async t => {
  await mesh.apply(
    `${entry('ranged', '{ hosts: [ranged.example], addresses: [198.51.100.0/24], resolution: NONE, ports: [{ number: 8080, name: http, protocol: HTTP }] }')}
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ranged, namespace: default }
spec:
  hosts: [ranged.example]
  http:
    - match: [{ uri: { prefix: /closed } }]
      directResponse: { status: 418, body: { string: closed } }
    - route: [{ destination: { host: ranged.example } }]
`,
  )
  await mesh.settled()
  await becomes(`http://${ranged}:8080/closed`, /^418 closed/)
  t.equal(await got(`http://${ranged}:8080/`), '200 y')
  t.match(await logged(mesh, 'a', { upstream_host: `${ranged}:8080` }), { upstream_cluster: /ranged\.example$/ })
  t.match(await a.must('ipset', ['list', 'weft-ranges-4']), '198.51.100.0/24,tcp:8080')
  await answerOn(y, 8022, 'direct')
  t.match((await curled(a, ['--http0.9', `http://${ranged}:8022/closed`])).stdout, 'direct', 'another port')
  t.equal(await got(`http://${y.address4}:8080/closed`), '200 y', 'another address')
  await remove(entry('ranged', '{ hosts: [ranged.example], resolution: NONE }').replace(/---$/, ''))
  await becomes(`http://${ranged}:8080/closed`, /^200 y$/)
})

t.test('hosts that nobody knows are passed or refused, as Sidecar or mesh say', async t => {
  const config = JSON.parse(await a.must('cat', [at('a.json')]))
  writeFileSync(at('a.json'), JSON.stringify({ ...config, capture: { dns: true, mode: 'all' } }))
  await mesh.agents.a.kill('SIGTERM')
  await mesh.agents.a.start()
  await mesh.settled()
  const unknown = `http://${y.address4}:8081/`
  const wild = ['--resolve', `a.wild.example:8080:${y.address4}`]
  await mesh.apply(
    entry(
      'wild',
      '{ hosts: ["*.wild.example"], resolution: NONE, ports: [{ number: 8080, name: http, protocol: HTTP }] }',
    ).replace(/---$/, ''),
  )
  await becomes(unknown, /^200 unknown$/)
  for (const [title, closed] of [
    ['a mode', sidecar('{ outboundTrafficPolicy: { mode: REGISTRY_ONLY } }')],
    ['no mode', sidecar('{ outboundTrafficPolicy: {} }')],
    ['the mesh', meshSettings('REGISTRY_ONLY')],
  ] as const) {
    await mesh.apply(closed)
    await becomes(unknown, /^502 BLOCKED_HOST/)
    t.equal(await got('http://a.wild.example:8080/', wild), '200 y', `${title}: a wildcard host is known`)
    // the agent may still be asking for its addresses: it has just started
    await becomes('http://pool.example:8080/', /^200 [xy]$/)
    await remove(closed)
    await becomes(unknown, /^200 unknown$/)
  }
  await mesh.apply(`${meshSettings('REGISTRY_ONLY')}---${sidecar('{ outboundTrafficPolicy: { mode: ALLOW_ANY } }')}`)
  await becomes(unknown, /^200 unknown$/)
  t.equal(await got(unknown), '200 unknown', 'the Sidecar overrules the mesh')
  await mesh.apply(sidecar('{ egress: [{ hosts: ["./pool.example"] }], outboundTrafficPolicy: {} }'))
  await becomes('http://secure.example/', /^502 BLOCKED_HOST/)
  t.match(await got('http://pool.example:8080/'), /^200 [xy]$/, 'what it imports is seen')
  t.match(await got('http://a.wild.example:8080/', wild), /^502 BLOCKED_HOST/)
})
