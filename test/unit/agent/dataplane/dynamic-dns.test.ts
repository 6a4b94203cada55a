import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { createServer, request as httpRequest } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer, connect as tlsConnect } from 'node:tls'
import t from 'tap'
import type { NameAnswer } from '../../../../agent/dataplane/messages.ts'
import type { ServicePort } from '../../../../mesh/model/service.ts'
import { aConfig, aService, aWorkload } from '../../../support/agent-config.ts'
import { aThread, identityOf } from '../../../support/data-threads.ts'
import { routingWorld } from '../../../support/routing-world.ts'

interface Teardown {
  teardown(stop: () => unknown): void
}

async function listen(t: Teardown, server: Server): Promise<number> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return (server.address() as AddressInfo).port
}

const found = (name: string, ...addresses: readonly string[]): NameAnswer => ({
  name,
  addresses,
  ttlMs: 60_000,
  reason: addresses.length === 0 ? 'ENOTFOUND' : '',
})

/** Where callers were going, which nobody answers: only what DNS says leads to the origin. */
const nowhere = '192.0.2.1'

/** A caller's agent that knows `*.wild.example`, and the names that were asked for. */
async function aCaller(
  t: Teardown,
  port: number,
  protocol: ServicePort['protocol'],
  values: {
    readonly rules?: readonly string[]
    readonly dns?: (name: string) => NameAnswer | undefined
    readonly credentialDirectory?: string
  } = {},
) {
  const asked: string[] = []
  const thread = await aThread(
    t,
    { kind: 'outbound', identity: identityOf('web') },
    {
      originalDst: { address: nowhere, port },
      ...(values.credentialDirectory !== undefined && { credentialDirectory: values.credentialDirectory }),
      lookUp(name) {
        asked.push(name)
        return values.dns === undefined ? found(name, '127.0.0.1') : values.dns(name)
      },
    },
  )
  const wild = aService({
    name: 'wild',
    hosts: ['wild.default.mesh', '*.wild.example'],
    virtualIps: [],
    external: true,
    resolution: 'dynamic-dns',
    endpoints: [],
    ports: [{ name: 'p', port, protocol }],
  })
  const { traffic } = routingWorld([], values.rules ?? [])
  thread.core.config(aConfig({ workloads: [aWorkload()], services: [wild], traffic }))
  return { ...thread, asked }
}

function get(port: number, host: string): Promise<{ status: number; reason: string; text: string }> {
  return new Promise((resolve, reject) => {
    const call = httpRequest({ port, host: '127.0.0.1', path: '/x', agent: false, headers: { host } }, answer => {
      let text = ''
      answer.on('data', chunk => {
        text += chunk
      })
      const reason = String(answer.headers['weft-reason'] ?? '')
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, reason, text }))
    })
    call.on('error', reject)
    call.end()
  })
}

const echo = () => createServer((incoming, outgoing) => outgoing.end(`${incoming.headers.host} ${incoming.url}`))

t.test('a request goes to where DNS says that its host is, and the host is asked for once', async t => {
  const port = await listen(t, echo())
  const caller = await aCaller(t, port, 'http')
  const answers = await Promise.all(['a', 'a', 'b'].map(name => get(caller.port, `${name}.Wild.Example:${port}`)))
  t.match(answers, [
    { status: 200, text: /^a\.Wild\.Example:\d+ \/x$/ },
    { status: 200 },
    { status: 200, text: /^b\./ },
  ])
  await get(caller.port, 'a.wild.example')
  t.same(caller.asked.toSorted(), ['a.wild.example', 'b.wild.example'])
})

t.test('a host that DNS does not know is refused, and so is one that no wildcard covers', async t => {
  const port = await listen(t, echo())
  const rewrite = `VirtualService default/other { hosts: ["moved.wild.example"], http: [{ rewrite: { authority: evil.example },
    route: [{ destination: { host: wild.default.mesh } }] }] }`
  const caller = await aCaller(t, port, 'http', { dns: name => found(name), rules: [rewrite] })
  t.match(await get(caller.port, 'gone.wild.example'), { status: 503, reason: /^NO_HEALTHY_ENDPOINT.*ENOTFOUND/ })
  t.match(await get(caller.port, 'moved.wild.example'), { status: 503, reason: /evil\.example is none of its names/ })
  t.same(caller.asked, ['gone.wild.example'])
})

t.test('whoever has no answer in time is told within the connect timeout', async t => {
  const port = await listen(t, echo())
  const rule = `DestinationRule default/wild { host: "*.wild.example",
    trafficPolicy: { connectionPool: { tcp: { connectTimeout: 50ms } } } }`
  const caller = await aCaller(t, port, 'http', { dns: () => undefined, rules: [rule] })
  t.match(await get(caller.port, 'slow.wild.example'), { status: 503, reason: /no answer in 0\.05 s/ })
})

t.test('another address of the name is tried when the first cannot be reached', async t => {
  const port = await listen(t, echo())
  const caller = await aCaller(t, port, 'http', { dns: name => found(name, '127.0.0.1', '127.0.0.9') })
  for (let call = 0; call < 3; call += 1) t.match(await get(caller.port, 'two.wild.example'), { status: 200 })
})

/** A certificate for any name below `wild.example`, and a named credential that believes it. */
function certificate(t: Teardown) {
  const directory = mkdtempSync(join(tmpdir(), 'weft-dynamic-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const names = ['-subj', '/CN=wild', '-addext', 'subjectAltName=DNS:*.wild.example']
  const keys = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
  const out = ['-keyout', 'wild.key', '-out', 'wild.crt']
  execFileSync('openssl', ['req', '-x509', ...keys, ...out, ...names], { cwd: directory, stdio: 'pipe' })
  const tls = { key: readFileSync(join(directory, 'wild.key')), cert: readFileSync(join(directory, 'wild.crt')) }
  mkdirSync(join(directory, 'wild'))
  renameSync(join(directory, 'wild.crt'), join(directory, 'wild/ca.crt'))
  return { directory, tls }
}

t.test('TLS of a caller goes by the server name that it asks for', async t => {
  const { tls } = certificate(t)
  const server = createTlsServer(tls, socket => {
    socket.on('error', () => {})
    socket.end(`hello ${socket.servername}`)
  })
  const caller = await aCaller(t, await listen(t, server), 'tls')
  const call = (servername: string) =>
    new Promise<string>(resolve => {
      const socket = tlsConnect({ host: '127.0.0.1', port: caller.port, servername, ca: tls.cert })
      socket.on('data', bytes => resolve(String(bytes)))
      socket.on('error', error => resolve(error.message))
    })
  t.equal(await call('a.wild.example'), 'hello a.wild.example')
  t.same(caller.asked, ['a.wild.example'])
})

t.test('TLS is originated for the name of each request, with the credential of the rule', async t => {
  const { tls, directory } = certificate(t)
  const names: string[] = []
  const server = createHttpsServer(
    {
      ...tls,
      SNICallback: (name, done) => {
        names.push(name)
        done(null)
      },
    },
    (incoming, outgoing) => outgoing.end(incoming.headers.host),
  )
  const rule = `DestinationRule default/wild { host: "*.wild.example",
    trafficPolicy: { tls: { mode: SIMPLE, credentialName: wild } } }`
  const port = await listen(t, server)
  const caller = await aCaller(t, port, 'http', { rules: [rule], credentialDirectory: directory })
  t.match(await get(caller.port, 'a.wild.example'), { status: 200, text: 'a.wild.example' })
  t.match(await get(caller.port, 'b.wild.example'), { status: 200, text: 'b.wild.example' })
  t.same(names, ['a.wild.example', 'b.wild.example'])
  rmSync(join(directory, 'wild/ca.crt'))
  t.match(await get(caller.port, 'c.wild.example'), { status: 503, reason: /^UPSTREAM_TLS.*wild\/ca\.crt/ })
})
