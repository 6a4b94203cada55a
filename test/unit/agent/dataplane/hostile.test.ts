import { connect, createServer as createTcpServer, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import t from 'tap'
import { H2Connection } from '../../../../agent/dataplane/h2/connection.ts'
import { h2Error } from '../../../../agent/dataplane/h2/frames.ts'
import { ThreadCore } from '../../../../agent/dataplane/thread-core.ts'
import { systemClock, systemRandom } from '../../../../mesh/std/clock.ts'
import { aConfig, anEndpoint, aPlainEndpoint, aService, aWorkload, opaquePorts } from '../../../support/agent-config.ts'
import {
  aLocalServer,
  aMeshedPair,
  aThread,
  aTrustedMesh,
  exchange,
  identityOf,
} from '../../../support/data-threads.ts'
import { until } from '../../../support/eventually.ts'
import { dialHbone } from '../../../support/hbone-peer.ts'

const echo = (socket: Socket) => socket.pipe(socket)

t.test('payload before the answer is refused, and counted once', async t => {
  const port = await aLocalServer(t, echo)
  const pair = await aMeshedPair(t, port)
  const { trust, credential } = pair.mesh
  const peer = await dialHbone(t, { port: pair.calleePort, roots: trust.roots, credential: credential('web') })
  // Both frames leave in one piece: the connection to the local process cannot be open yet.
  const { stream, reset } = peer.request([':method', 'CONNECT', ':authority', `127.0.0.1:${port}`])
  stream.write(Buffer.from('too early'))
  await until('the tunnel is reset', reset)
  t.match(pair.callee.report().refused, [{ direction: 'inbound', reason: 'BAD_REQUEST', count: 1 }])
  t.equal(pair.callee.report().refused.length, 1)
})

t.test('the target of a tunnel is known in any spelling of its address, and in no disguise', async t => {
  const mesh = aTrustedMesh()
  const local = createTcpServer(socket => echo(socket.on('error', () => {})))
  await new Promise<void>(resolve => local.listen(0, '::1', resolve))
  t.teardown(() => local.close())
  const address = local.address()
  const localPort = typeof address === 'object' && address !== null ? address.port : 0
  const { core, port } = await aThread(t, { kind: 'hbone' })
  const ports = [{ port: localPort, protocol: 'tcp', mtls: 'STRICT', mtlsFrom: 'default', service: 'default/api' }]
  const at = (one: string) => aWorkload({ id: one, address: one, identity: identityOf('api'), ports: ports as never })
  core.config(aConfig({ trust: mesh.trust, workloads: [at('::1'), at('127.0.0.1')] }))
  core.credentials([mesh.credential('api')])
  const peer = await dialHbone(t, { port, roots: mesh.trust.roots, credential: mesh.credential('web') })
  const status = async (authority: string) => {
    const answer = peer.request([':method', 'CONNECT', ':authority', authority])
    await until(`an answer for ${authority}`, () => answer.status() !== undefined)
    return answer.status()
  }
  for (const same of [`[::1]:${localPort}`, `[0:0:0:0:0:0:0:1]:${localPort}`, `[0000::0001]:${localPort}`]) {
    t.equal(await status(same), '200', same)
  }
  const others = [
    `[::ffff:127.0.0.1]:${localPort}`,
    `0127.0.0.1:${localPort}`,
    `127.1:${localPort}`,
    `2130706433:${localPort}`,
    `[::1]:0${localPort}`,
    `[::1]`,
    `::1:${localPort}`,
    `localhost:${localPort}`,
    `[::1%25lo]:${localPort}`,
  ]
  for (const other of others) t.equal(await status(other), '404', other)
})

t.test('a session that refuses a stream unhandled does not fail the endpoint', async t => {
  const mesh = aTrustedMesh()
  const api = mesh.credential('api')
  let refusals = 0
  const tls = createTlsServer(
    {
      key: api.key,
      cert: api.chain,
      ca: [...mesh.trust.roots],
      requestCert: true,
      rejectUnauthorized: true,
      ALPNProtocols: ['h2'],
    },
    socket => {
      const connection = new H2Connection(socket, 'server', { clock: systemClock })
      connection.onStream = stream => {
        if (refusals === 0) {
          refusals += 1
          stream.reset(h2Error.refusedStream)
          connection.goaway(0)
          return
        }
        stream.respond([':status', '103'], false)
        stream.respond([':status', '200'], false)
        stream.onData = chunk => {
          stream.write(Buffer.from(chunk))
          stream.consumed(chunk.length)
        }
        stream.onEnd = () => stream.end()
      }
    },
  )
  await new Promise<void>(resolve => tls.listen(0, '127.0.0.1', resolve))
  t.teardown(() => tls.close())
  const address = tls.address()
  const hbonePort = typeof address === 'object' && address !== null ? address.port : 0
  const originalDst = { address: '240.240.0.1', port: 80 }
  const { core, port } = await aThread(t, { kind: 'outbound', identity: identityOf('web') }, { hbonePort, originalDst })
  const services = [aService({ ports: opaquePorts, endpoints: [anEndpoint({ address: '127.0.0.1' })] })]
  core.config(aConfig({ trust: mesh.trust, services }))
  core.credentials([mesh.credential('web')])
  t.equal((await exchange(port, 'hello')).text, 'hello')
  t.strictSame([refusals, core.report().refused], [1, []])
})

t.test('a port called as something every object has does not end the thread', async t => {
  const originalDst = { address: '240.240.0.1', port: 81 }
  const { core, port } = await aThread(t, { kind: 'outbound' }, { originalDst })
  const ports = [
    { name: 'http', port: 80, protocol: 'http' },
    { name: 'constructor', port: 81, protocol: 'tcp' },
  ] as const
  core.config(aConfig({ services: [aService({ ports, external: true, endpoints: [aPlainEndpoint()] })] }))
  t.match(await exchange(port, 'hi'), { error: 'ECONNRESET' })
  t.match(core.report().refused, [{ reason: 'NO_HEALTHY_ENDPOINT', count: 1 }])
})

t.test('a kernel that cannot say who calls leaves the caller unknown', async t => {
  const core = new ThreadCore({}, systemClock, systemRandom, {
    originalDst: () => ({ address: '240.240.0.1', port: 80 }),
    callerOf: () => Promise.reject(new Error('no descriptors left')),
  })
  t.teardown(() => core.drain(0))
  const [bound] = await core.listen([{ name: 'only', role: { kind: 'outbound' }, host: '127.0.0.1', port: 0 }])
  const callers = [{ kind: 'cgroup', path: 'system.slice/web.service' }] as const
  core.config(aConfig({ workloads: [aWorkload({ callers })], services: [aService({ ports: opaquePorts })] }))
  t.match(await exchange(bound?.port ?? 0, 'hi'), { error: 'ECONNRESET' })
  t.match(core.report().refused, [{ reason: 'UNKNOWN_CALLER', count: 1 }])
})

t.test('a plaintext connection to a workload that is taken out of service goes on', async t => {
  const port = await aLocalServer(t, echo)
  const { core, port: inbound } = await aThread(
    t,
    { kind: 'inbound-plaintext' },
    { originalDst: { address: '127.0.0.1', port } },
  )
  const ports = [{ port, protocol: 'tcp', mtls: 'PERMISSIVE', mtlsFrom: 'default', service: 'default/web' }] as const
  core.config(aConfig({ workloads: [aWorkload({ address: '127.0.0.1', ports })] }))
  const open = connect({ port: inbound, host: '127.0.0.1' })
  t.teardown(() => open.destroy())
  let text = ''
  open.on('data', chunk => {
    text += chunk
  })
  open.write('one ')
  await until('the first answer', () => text === 'one ')
  core.config(aConfig())
  open.write('two')
  await until('the second answer', () => text === 'one two')
  t.match(await exchange(inbound, 'new'), { error: 'ECONNRESET' }, 'and takes nothing new')
})

t.test('callers that go away while a tunnel opens leave nothing behind', async t => {
  const port = await aLocalServer(t, echo)
  const pair = await aMeshedPair(t, port)
  for (let at = 0; at < 50; at += 1) {
    const socket = connect({ port: pair.outboundPort, host: '127.0.0.1' })
    socket.on('error', () => {})
    socket.once('connect', () => (at % 2 === 0 ? socket.resetAndDestroy() : socket.destroy()))
  }
  await until('all have come and gone', () => {
    const { tcp, refused, gauges } = pair.caller.report()
    const seen = refused.reduce((sum, { count }) => sum + count, 0) + tcp.reduce((sum, { closed }) => sum + closed, 0)
    return seen === 50 && gauges.openConnections === 0 && gauges.openStreams === 0
  })
  t.equal(pair.callee.report().gauges.openConnections, 0)
  t.equal((await exchange(pair.outboundPort, 'hi')).text, 'hi')
})
