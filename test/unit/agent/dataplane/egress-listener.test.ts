import { createServer, request as httpRequest } from 'node:http'
import { connect, createServer as createTcpServer, type Socket } from 'node:net'
import { userInfo } from 'node:os'
import t from 'tap'
import { callerClaims, claimedBy } from '../../../../agent/dataplane/caller-claims.ts'
import { callerProcess } from '../../../../agent/intercept/caller-process.ts'
import type { AgentConfig } from '../../../../mesh/model/agent-config.ts'
import type { CallerSelector } from '../../../../mesh/model/workload.ts'
import { aConfig, aPlainEndpoint, aService, aWorkload } from '../../../support/agent-config.ts'
import { aThread, exchange, identityOf } from '../../../support/data-threads.ts'
import { routingWorld } from '../../../support/routing-world.ts'

type Teardown = { teardown(stop: () => unknown): void }

const { uid, username } = userInfo()
const self: CallerSelector = { kind: 'uid', uid }

/** A host whose `web`, by default this process, has a Sidecar with a listener, and the port of that. */
async function aHost(
  t: Teardown,
  values: { callers?: readonly CallerSelector[]; hosts?: string; rules?: string[] } = {},
) {
  const server = createServer((incoming, outgoing) => outgoing.end(`got ${incoming.url} of ${incoming.headers.host}`))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('not bound')
  const { core, port } = await aThread(t, { kind: 'egress' })
  const sidecar = `Sidecar default/s { egress: [{ port: { number: ${port} }, hosts: [${values.hosts ?? './*'}],
    captureMode: NONE, bind: 127.0.0.1 }] }`
  const endpoints = [aPlainEndpoint({ address: '127.0.0.1', ports: { http: address.port } })]
  const ports = [{ name: 'http', port, protocol: 'http' }] as const
  const config = aConfig({
    workloads: [aWorkload({ callers: values.callers ?? [self] })],
    services: [
      aService({ endpoints, ports }),
      aService({
        name: 'none',
        hosts: ['none.default.mesh'],
        virtualIps: [],
        resolution: 'none',
        endpoints: [],
        ports,
      }),
    ],
    traffic: routingWorld([], [sidecar, ...(values.rules ?? [])]).traffic,
  })
  const apply = (changed: AgentConfig) => core.config(changed)
  if (apply(config).length > 0) throw new Error('not usable')
  return { core, port, config, apply, refused: () => core.report().refused }
}

function get(port: number, host: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest({ port, host: '127.0.0.1', path: '/x', agent: false, headers: { host } }, incoming => {
      let body = ''
      incoming.on('data', (chunk: Buffer) => {
        body += chunk
      })
      incoming.on('end', () => resolve(`${incoming.statusCode} ${incoming.headers['weft-reason'] ?? body}`))
    })
    outgoing.on('error', reject)
    outgoing.end()
  })
}

t.test('a workload calls what its Sidecar names through a listener of its own', async t => {
  const { port } = await aHost(t)
  t.equal(await get(port, 'api.default.mesh'), '200 got /x of api.default.mesh')
  t.equal(await get(port, 'api'), '200 got /x of api')
  t.equal(await get(port, 'elsewhere.example'), '502 BLOCKED_HOST elsewhere.example')
})

t.test('rules hold there as anywhere', async t => {
  const rule = 'VirtualService default/api { hosts: [api], http: [{ directResponse: { status: 418 } }] }'
  const { port } = await aHost(t, { rules: [rule] })
  t.match(await get(port, 'api'), /^418/)
})

t.test('only what the entry names', async t => {
  const { port } = await aHost(t, { hosts: './other.default.mesh' })
  t.equal(await get(port, 'api.default.mesh'), '502 BLOCKED_HOST api.default.mesh')
})

t.test('calls of services that go to where the caller was going do not come back to the listener', async t => {
  const rule = 'DestinationRule default/api { host: api, trafficPolicy: { loadBalancer: { simple: PASSTHROUGH } } }'
  const { port, core } = await aHost(t, { rules: [rule] })
  t.equal(await get(port, 'none.default.mesh'), '503 NO_HEALTHY_ENDPOINT no endpoint is known')
  t.match(await get(port, 'api'), /^200 /)
  t.equal(core.report().refused.length, 0)
})

t.test('nobody else of the host may call there', async t => {
  const { port, refused } = await aHost(t, { callers: [{ kind: 'uid', uid: uid + 1 }] })
  t.match(await exchange(port, 'GET / HTTP/1.1\r\n\r\n'), { text: '', error: 'ECONNRESET' })
  t.match(refused(), [{ reason: 'UNKNOWN_CALLER', count: 1 }])
})

t.test('nor a workload without such a listener', async t => {
  const { port, config, apply, refused } = await aHost(t)
  apply({ ...config, traffic: { ...config.traffic, sidecars: [] } })
  t.match(await exchange(port, 'GET / HTTP/1.1\r\n\r\n'), { text: '', error: 'ECONNRESET' })
  t.match(refused(), [{ reason: 'NO_ROUTE' }])
})

t.test('bytes that are no requests are refused', async t => {
  const { port, refused } = await aHost(t)
  t.match(await exchange(port, '\x16\x03\x01 no request'), { text: '', error: 'ECONNRESET' })
  t.match(refused(), [{ reason: 'NOT_HTTP' }])
})

t.test('callers are known by cgroup or user, and what two identities claim is nobody’s', async t => {
  const sockets: Socket[] = []
  const server = createTcpServer(socket => sockets.push(socket))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('not bound')
  const client = connect(address.port, '127.0.0.1')
  t.teardown(() => {
    client.destroy()
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  await new Promise(resolve => server.once('connection', resolve))
  const [socket] = sockets
  if (socket === undefined) throw new Error('not connected')
  const of = (...all: readonly (readonly [name: string, caller: CallerSelector])[]) =>
    claimedBy(socket, callerClaims(all.map(([name, one]) => aWorkload({ identity: identityOf(name), callers: [one] }))))
  const user: CallerSelector = { kind: 'user', user: username }
  const [a, b] = [identityOf('a'), identityOf('b')]
  t.equal(await of(['a', self]), a)
  t.equal(await of(['a', user]), a)
  t.equal(await of(['a', self], ['a', user]), a)
  t.equal(await of(['a', self], ['b', user]), undefined)
  t.equal(await of(['a', self], ['b', self]), undefined)
  t.equal(await of(['a', { kind: 'uid', uid: uid + 1 }]), undefined)
  const process = await callerProcess('127.0.0.1', client.localPort ?? 0)
  t.equal(process?.uid, uid)
  if (process !== undefined && process.cgroup !== '') {
    const own: CallerSelector = { kind: 'cgroup', path: process.cgroup }
    t.equal(await of(['a', self], ['b', own]), b, 'the cgroup says more')
    t.equal(await of(['a', own], ['b', own], ['a', self]), undefined)
  }
  t.equal(await callerProcess('127.0.0.1', 1), undefined)
})
