import { createServer, request as httpRequest } from 'node:http'
import { createServer as createTlsServer, connect as tlsConnect } from 'node:tls'
import t from 'tap'
import type { MeshServiceResource } from '../../../../mesh/model/agent-config.ts'
import { aConfig, aPlainEndpoint, aService, aWorkload } from '../../../support/agent-config.ts'
import { aLocalServer, aThread, aTrustedMesh, exchange, identityOf } from '../../../support/data-threads.ts'
import { routingWorld } from '../../../support/routing-world.ts'

const web = { kind: 'outbound', identity: identityOf('web') } as const

/** A service outside the mesh that is called at its own addresses. */
const outside = (values: Partial<MeshServiceResource>): MeshServiceResource =>
  aService({ name: 'outside', virtualIps: [], external: true, resolution: 'none', endpoints: [], ...values })

/** A thread of the caller's agent to which every connection was going to 127.0.0.1, or `address`, and the port. */
async function callerTo(
  t: { teardown(stop: () => unknown): void },
  port: number,
  services: readonly MeshServiceResource[],
  rules: readonly string[] = [],
  address = '127.0.0.1',
) {
  const thread = await aThread(t, web, { originalDst: { address, port } })
  thread.core.config(aConfig({ workloads: [aWorkload()], services, traffic: routingWorld([], rules).traffic }))
  return thread
}

async function anOrigin(t: { teardown(stop: () => unknown): void }): Promise<number> {
  const server = createServer((incoming, outgoing) => outgoing.end(`${incoming.headers.host} ${incoming.url}`))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('not bound')
  return address.port
}

function get(port: number, host: string): Promise<{ status: number; reason: string; text: string }> {
  return new Promise((resolve, reject) => {
    const call = httpRequest({ port, host: '127.0.0.1', path: '/x', agent: false, headers: { host } }, answer => {
      let text = ''
      answer.on('data', chunk => {
        text += chunk
      })
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, reason: String(answer.headers['weft-reason'] ?? ''), text }),
      )
    })
    call.on('error', reject)
    call.end()
  })
}

t.test('requests for a host by wildcard go to where the caller was going, by the rules of the host', async t => {
  const port = await anOrigin(t)
  const service = outside({ hosts: ['*.example.com'], ports: [{ name: 'http', port, protocol: 'http' }] })
  const rule = `VirtualService default/any { hosts: ["*.example.com"], http: [
    { match: [{ uri: { prefix: /x }, authority: { exact: no.example.com } }], directResponse: { status: 418 } },
    { route: [{ destination: { host: "*.example.com" } }] }] }`
  const closed = 'Sidecar default/default { outboundTrafficPolicy: { mode: REGISTRY_ONLY } }'
  const caller = await callerTo(t, port, [service], [rule, closed])
  t.match(await get(caller.port, 'a.b.example.com'), { status: 200, text: 'a.b.example.com /x' })
  t.match(await get(caller.port, 'no.example.com'), { status: 418 })
  t.match(await get(caller.port, 'example.org'), { status: 502, reason: /^BLOCKED_HOST/ })
})

t.test('requests to a range of addresses go to the address, whatever their host says', async t => {
  const port = await anOrigin(t)
  const ports = [{ name: 'http', port, protocol: 'http' }] as const
  const service = outside({ hosts: ['ranged.example'], addresses: ['127.0.0.0/8'], ports })
  const closed = 'Sidecar default/default { outboundTrafficPolicy: { mode: REGISTRY_ONLY } }'
  const fault = `VirtualService default/ranged { hosts: [ranged.example], http: [{ name: ruled, timeout: 5s, route:
    [{ destination: { host: ranged.example }, headers: { request: { set: { host: ruled.example } } } }] }] }`
  const caller = await callerTo(t, port, [service], [closed, fault])
  t.match(await get(caller.port, 'ranged.example'), { status: 200, text: 'ruled.example /x' })
  t.match(await get(caller.port, '127.0.0.1'), { status: 200, text: 'ruled.example /x' })
})

t.test('a name that nobody knows is not that of a service outside the mesh that has the same endpoint', async t => {
  const port = await anOrigin(t)
  const service = outside({
    hosts: ['listed.example'],
    ports: [{ name: 'http', port, protocol: 'http' }],
    resolution: 'static',
    endpoints: [aPlainEndpoint({ address: '127.0.0.1', ports: { http: port } })],
  })
  const closed = await callerTo(t, port, [service], ['Sidecar default/default { outboundTrafficPolicy: {} }'])
  t.match(await get(closed.port, 'listed.example'), { status: 200, text: 'listed.example /x' })
  t.match(await get(closed.port, 'other.example'), { status: 502, reason: /^BLOCKED_HOST/ })
  const open = await callerTo(t, port, [service])
  t.match(await get(open.port, 'other.example'), { status: 200, text: 'other.example /x' })
})

t.test('bytes go to the address too, and are counted for the service', async t => {
  const port = await aLocalServer(t, socket => socket.pipe(socket))
  const ports = [{ name: 'tcp', port, protocol: 'tcp' }] as const
  const service = outside({ hosts: ['ranged.example'], addresses: ['127.0.0.0/8'], ports })
  const closed = 'Sidecar default/default { outboundTrafficPolicy: {} }'
  const caller = await callerTo(t, port, [service], [closed])
  t.same(await exchange(caller.port, 'hello'), { text: 'hello' })
  t.match(caller.core.report().tcp, [{ labels: { destination_service: 'ranged.example' }, opened: 1 }])
  const hidden = 'Sidecar default/default { egress: [{ hosts: ["./*.mesh"] }], outboundTrafficPolicy: {} }'
  const blind = await callerTo(t, port, [service], [hidden])
  t.match(await exchange(blind.port, 'hello'), { text: '', error: 'ECONNRESET' })
  t.match(blind.core.report().refused, [{ reason: 'BLOCKED_HOST', count: 1 }])
  const open = 'Sidecar default/default { egress: [{ hosts: ["./*.mesh"] }] }'
  const passing = await callerTo(t, port, [service], [open])
  t.same(await exchange(passing.port, 'hello'), { text: 'hello' }, 'hidden, and passed as what nobody knows')
})

t.test('TLS is told by its server name where the address is nobody’s', async t => {
  const { key, chain } = aTrustedMesh().credential('outside')
  const server = createTlsServer({ key, cert: chain }, socket => socket.end('secret'))
  await new Promise<void>(resolve => server.listen(0, '0.0.0.0', resolve))
  t.teardown(() => server.close())
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('not bound')
  const ports = [{ name: 'tls', port: address.port, protocol: 'tls' }] as const
  const closed = 'Sidecar default/default { outboundTrafficPolicy: {} }'
  const services = [
    outside({ hosts: ['*.example.com'], ports }),
    outside({
      name: 'listed',
      hosts: ['listed.example.org'],
      ports,
      resolution: 'static',
      endpoints: [aPlainEndpoint({ address: '127.0.0.1', ports: { tls: address.port } })],
    }),
  ]
  const caller = await callerTo(t, address.port, services, [closed], '127.0.0.2')
  const asks = (servername: string) =>
    new Promise<string>(resolve => {
      const socket = tlsConnect({ port: caller.port, host: '127.0.0.1', servername, rejectUnauthorized: false })
      let text = ''
      socket.on('data', chunk => {
        text += chunk
      })
      socket.on('end', () => resolve(text))
      socket.on('error', () => resolve('reset'))
    })
  t.equal(await asks('a.example.com'), 'secret')
  t.equal(await asks('listed.example.org'), 'secret')
  t.equal(await asks('other.example.org'), 'reset')
})
