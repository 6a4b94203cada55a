import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test as Tap } from 'tap'
import { decodeStateFile } from '../../agent/control/state-file.ts'
import { controlPath } from '../../mesh/wire/web-socket-channel.ts'
import type { Host } from './host.ts'
import { createMesh } from './mesh.ts'
import { failures, startLoad } from './mesh-load.ts'
import { agentStatus, logged, serve } from './mesh-probe.ts'

// `out` is a stranger that means harm; `a` calls `b` all the while and must not notice.
const asWeb = { uid: 4001 }
const mesh = await createMesh(t, {
  hosts: ['a', 'b', 'out'],
  withoutAgent: ['out'],
  files: ({ a, b, out }) => ({
    'services.yaml': `
services:
  - { name: api, ports: { tcp: 80 } }
  - { name: reports, ports: { tcp: 80 } }
workloads:
  - { name: web-1, node: a, address: ${a.address4}, serviceAccount: web, uid: ${asWeb.uid} }
  - { name: api-1, node: b, address: ${b.address4}, serviceAccount: api, uid: 4002, services: { api: { tcp: 9100 } } }
  - { name: reports-1, node: b, address: ${b.address4}, serviceAccount: reports, services: { reports: { tcp: 9101 } } }
  - { name: away-1, node: elsewhere, address: ${out.address4}, serviceAccount: api, services: { api: { tcp: 9199 } }, weight: 0 }
`,
  }),
})
const { a, b, out, cp } = mesh.hosts
const [service] = JSON.parse(await mesh.weft('services', '-o', 'json')).filter(
  (one: { name: string }) => one.name === 'api',
)
const [virtualIp, virtualIp6] = service.virtualIps
await serve(b, 'b', b.address4, ['echo=9100', 'echo=9101', 'banner=22', 'banner=9999'])
await mesh.apply(`
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: weft-system }
spec: { mtls: { mode: STRICT } }
`)
const load = await startLoad(a, { new: `new@${virtualIp}/80`, kept: `kept@${virtualIp}/80` }, asWeb)
const ended: string[] = []
for (const [name, weft] of Object.entries({ server: mesh.server, a: mesh.agents.a, b: mesh.agents.b })) {
  void weft.process.exited.then(how => ended.push(`${name}: ${how}`))
}

/** Every process still runs and is well, and no honest call has failed since the last time. */
async function unharmed(t: Tap): Promise<void> {
  t.same(ended, [])
  for (const name of ['a', 'b'] as const) t.match(await agentStatus(mesh, name), { ready: true, notReady: [] })
  const report = await load.report()
  for (const counts of [report.new, report.kept]) {
    t.equal(failures(counts), 0, JSON.stringify(counts.failed))
    t.ok(counts.succeeded > 0)
  }
}

type Outcomes = Readonly<Record<string, Readonly<Record<string, string>>>>

/** Sends all junk to the ports; what came of it, by port and kind. */
async function junk(from: Host, address: string, ports: readonly (number | string)[], uid?: number): Promise<Outcomes> {
  const program = join(import.meta.dirname, 'programs/junk.ts')
  const options = { timeoutMs: 40_000, ...(uid !== undefined && { uid }) }
  return JSON.parse(await from.must(process.execPath, [program, address, ...ports.map(String)], options))
}

/** Fails for everything but an end without a word; ports of HTTP may say that they did not understand. */
function nothingGained(t: Tap, outcomes: Outcomes, http: readonly number[] = []): void {
  for (const [port, kinds] of Object.entries(outcomes)) {
    for (const [kind, outcome] of Object.entries(kinds)) {
      const isFine =
        /^(closed|alert|ECONNRESET|ECONNREFUSED|EPIPE)$/.test(outcome) ||
        (http.includes(Number(port)) && /^answered HTTP\/1\.1 (4\d\d|200)/.test(outcome))
      if (!isFine) t.fail(`port ${port}, ${kind}: ${outcome}`)
    }
    t.pass(`port ${port}`)
  }
}

t.test('junk from a stranger on every port of an agent harms nobody, over either family', async t => {
  for (const address of [b.address4, b.address6]) {
    const ports = [15001, 15006, 15008, 15020, 15021, 15053, 15100, 9100, 'udp:15053', 'udp:15008']
    nothingGained(t, await junk(out, address, ports), [15020, 15021])
  }
  await unharmed(t)
})

t.test('junk from a stranger on every port of the server harms nobody', async t => {
  nothingGained(t, await junk(out, cp.address4, [15011, 15012, 15014, 15443]), [15014])
  await unharmed(t)
  t.equal((await mesh.status()).agents.filter(agent => agent.state === 'connected').length, 2)
})

t.test('junk from processes of the host itself, of a workload and of none, on the agent’s ports', async t => {
  for (const uid of [asWeb.uid, 4999]) {
    for (const address of ['127.0.0.1', '::1', a.address4]) {
      const outcomes = await junk(a, address, [15001, 15006, 15008, 15053, 15100, 'udp:15053'], uid)
      nothingGained(t, { ...outcomes, 15053: {} })
      for (const outcome of Object.values(outcomes[15053] ?? {})) t.not(outcome, 'HANGS')
    }
  }
  await unharmed(t)
})

t.test('no port of an agent leads anywhere by way of capture', async t => {
  for (const uid of [asWeb.uid, 4999]) {
    for (const address of [virtualIp, virtualIp6, b.address4, b.address6]) {
      nothingGained(t, await junk(a, address, [15001, 15006, 15008, 15100], uid))
    }
  }
  await logged(mesh, 'a', { reason: 'NO_ROUTE', 'dst.addr': `${virtualIp}:15008` })
  await logged(mesh, 'b', { reason: 'NOT_REDIRECTED', direction: 'inbound' })
  await unharmed(t)
})

interface Held {
  readonly identity: string
  readonly key: string
  readonly chain: string
}
const stateOf = (name: string, file: string) =>
  decodeStateFile(readFileSync(join(mesh.directory, `${name}-state`, file)))
const web = (stateOf('a', 'workloads') as Held[]).find(one => one.identity.endsWith('/web'))
const { roots } = stateOf('a', 'trust') as { roots: string[] }

/** Asks `b` for tunnels as a thief who holds the certificate of `web`, or none. */
async function steal(
  asks: readonly (readonly [method: string, authority: string])[],
  more: object = {},
): Promise<string[]> {
  const theft = {
    host: b.address4,
    serverName: 'api.default.ns.mesh.local',
    roots,
    key: web?.key,
    cert: web?.chain,
    asks: asks.map(([method, authority]) => ({ method, authority })),
    ...more,
  }
  const file = join(mesh.directory, 'theft.json')
  writeFileSync(file, JSON.stringify(theft))
  const program = join(import.meta.dirname, 'programs/connect-hbone.ts')
  return JSON.parse(await out.must(process.execPath, [program, file]))
}

t.test(
  'a certificate of the mesh opens tunnels to declared ports of the identity addressed, and nothing else',
  async t => {
    const cases: readonly (readonly [method: string, authority: string, answer: RegExp])[] = [
      ['CONNECT', `${b.address4}:9100`, /^200 echoed$/],
      ['CONNECT', `${b.address4}:9101`, /^421 WRONG_WORKLOAD/],
      ['CONNECT', `${b.address4}:22`, /^404 NOT_DECLARED/],
      ['CONNECT', `${b.address4}:9999`, /^404 NOT_DECLARED/],
      ['CONNECT', `${out.address4}:9199`, /^404 NOT_DECLARED/],
      ['CONNECT', `${cp.address4}:15443`, /^404 NOT_DECLARED/],
      ['CONNECT', '169.254.169.254:80', /^404 NOT_DECLARED/],
      ['CONNECT', '127.0.0.1:9100', /^404 NOT_DECLARED/],
      ['CONNECT', `[::ffff:${b.address4}]:9100`, /^404 NOT_DECLARED/],
      ['CONNECT', `${virtualIp}:80`, /^404 NOT_DECLARED/],
      ['CONNECT', 'api.default.mesh:80', /^404 NOT_DECLARED/],
      ['CONNECT', `${b.address4}`, /^404 NOT_DECLARED/],
      ['CONNECT', `${b.address4}:09100`, /^404 NOT_DECLARED/],
      ...[15001, 15006, 15008, 15020, 15021, 15053, 15100].flatMap(port =>
        [b.address4, '127.0.0.1'].map(address => ['CONNECT', `${address}:${port}`, /^404 NOT_DECLARED/] as const),
      ),
      ['GET', `${b.address4}:9100`, /^400 BAD_REQUEST/],
      ['CONNECT', `${b.address4}:9100`, /^200 echoed$/],
    ]
    const answers = await steal(cases.map(([method, authority]) => [method, authority]))
    t.equal(answers.length, cases.length)
    for (const [index, [method, authority, answer]] of cases.entries()) {
      t.match(answers[index], answer, `${method} ${authority}`)
    }
    const line = await logged(mesh, 'b', { reason: 'NOT_DECLARED', 'dst.addr': '169.254.169.254:80' })
    t.match(line, { 'src.identity': web?.identity, verdict: 'refused' })
    await unharmed(t)
  },
)

t.test('without a certificate of the mesh, or for an identity that is not here, there is no session', async t => {
  const ask = [['CONNECT', `${b.address4}:9100`]] as const
  const stranger = JSON.parse(readFileSync(await strangerCredential(), 'utf8'))
  for (const more of [
    { key: undefined, cert: undefined },
    stranger,
    { serverName: 'away.default.ns.mesh.local' },
    { serverName: 'web.default.ns.mesh.local' },
  ]) {
    for (const answer of await steal(ask, more)) t.match(answer, /^(error|closed|reset)/)
  }
  await unharmed(t)
})

t.test('a workload’s certificate is no agent’s: the server does not speak to it', async t => {
  const knock = async (key = '', chain = '') => {
    const pem = join(mesh.directory, 'knock.pem')
    writeFileSync(pem, `${chain}${key}`)
    const upgrade = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13']
    const headers = [...upgrade, 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='].flatMap(header => ['-H', header])
    const url = `https://${cp.address4}:15011${controlPath}`
    const options = [
      '-sS',
      '-k',
      '--http1.1',
      '--max-time',
      '3',
      '--cert',
      pem,
      '-o',
      '/dev/null',
      '-w',
      '%{http_code}',
    ]
    return (await out.exec('curl', [...options, ...headers, url])).stdout
  }
  t.equal(await knock(web?.key, web?.chain), '000')
  const node = stateOf('a', 'node') as Held
  t.equal(await knock(node.key, node.chain), '101', 'so it was the certificate')
  await unharmed(t)
})

/** A self-signed certificate with the very name that `api` has. */
async function strangerCredential(): Promise<string> {
  const [key, cert] = [join(mesh.directory, 'stranger.key'), join(mesh.directory, 'stranger.crt')]
  const san = 'subjectAltName=critical,URI:spiffe://mesh.local/ns/default/sa/web'
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', '/']
  await out.must('openssl', ['req', '-x509', ...kind, '-keyout', key, '-out', cert, '-days', '1', '-addext', san])
  const file = join(mesh.directory, 'stranger.json')
  writeFileSync(file, JSON.stringify({ key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') }))
  return file
}
