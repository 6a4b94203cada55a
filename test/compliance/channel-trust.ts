import { createServer } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Test } from 'tap'
import { FakeClock } from '../fakes/clock.ts'
import { testAuthority } from '../support/authority.ts'
import { credentialsOf, startTransport, type Transport } from '../support/channel-transport.ts'
import { eventually } from '../support/eventually.ts'

const hourMs = 3_600_000

/** Who may speak on the control channel, whatever carries it: the two certificates decide, and nothing else. */
export function channelTrust(t: Test, transport: Transport): void {
  t.test('the node is taken from the certificate', async t => {
    const world = await startTransport(t, transport)
    const { node, certificate } = await world.connect('vm-23')
    t.equal(node, 'vm-23')
    t.equal(certificate.id, 'spiffe://mesh.test/mesh/agent/vm-23')
    t.match(certificate.serial, /^[0-9a-f]+$/)
    t.ok(certificate.notAfter > Date.now())
    t.equal(certificate.remoteAddress, '127.0.0.1')
  })

  t.test('nothing but the certificate of an agent of this mesh gets a channel', async t => {
    const world = await startTransport(t, transport)
    const { authority } = world
    const stranger = testAuthority(Date.now())
    const refused = {
      'a workload certificate': credentialsOf(authority, 'spiffe://mesh.test/ns/shop/sa/api'),
      'a server certificate': credentialsOf(authority, 'spiffe://mesh.test/mesh/server/s2'),
      'an agent of another trust domain': credentialsOf(authority, 'spiffe://other.test/mesh/agent/vm-17'),
      'an agent of another authority': credentialsOf(stranger, 'spiffe://mesh.test/mesh/agent/vm-17'),
      'an expired agent': credentialsOf(authority, 'spiffe://mesh.test/mesh/agent/vm-17', -1000),
    }
    for (const [what, credentials] of Object.entries(refused)) {
      const attempt = transport.connect(world.options('vm-17', credentials), AbortSignal.timeout(10_000))
      await t.rejects(attempt, { code: 'WEFT_SERVER_UNREACHABLE' }, what)
    }
    t.equal(world.accepted.length, 0)
    t.equal((await world.connect('vm-17')).node, 'vm-17', 'an honest agent is served as before')
  })

  t.test('no certificate, or TLS 1.2, ends the handshake', async t => {
    const world = await startTransport(t, transport)
    const { roots, key, chain, port } = world.options()
    const shared = { host: '127.0.0.1', port, ca: [...roots], checkServerIdentity: () => undefined }
    for (const settings of [{}, { key, cert: chain, maxVersion: 'TLSv1.2' as const }]) {
      const socket = connectTls({ ...shared, ...settings, ALPNProtocols: [transport.alpn] })
      const error = await new Promise<Error>(resolve => socket.once('error', resolve))
      t.match(error.message, /alert/)
    }
    t.equal(world.accepted.length, 0)
  })

  t.test('a TLS session cannot be resumed past a change of trust', async t => {
    const clock = new FakeClock(Date.now())
    const world = await startTransport(t, transport, { clock })
    const { roots, key, chain, port } = world.options()
    const settings = {
      host: '127.0.0.1',
      port,
      ca: [...roots],
      key,
      cert: chain,
      ALPNProtocols: [transport.alpn],
      checkServerIdentity: () => undefined,
    }
    const first = connectTls(settings)
    const sessions: Buffer[] = []
    first.on('session', session => sessions.push(session))
    first.resume().on('error', () => {})
    // Until the server drops it for not asking for a session: a ticket, which follows the handshake, has come by then.
    await eventually(async () => {
      await clock.advance(5_000)
      if (!first.destroyed) throw new Error('still open')
    })
    const [session] = sessions
    const second = connectTls({ ...settings, ...(session === undefined ? {} : { session }) })
    t.teardown(() => second.destroy())
    second.on('error', () => {})
    await new Promise<void>(resolve => second.once('secureConnect', resolve))
    t.equal(second.isSessionReused(), false)
  })

  t.test('an agent speaks to nobody but a server of its mesh', async t => {
    const world = await startTransport(t, transport)
    const { authority, credentials } = world
    const connect = (other = {}) => transport.connect(world.options('vm-17', other), AbortSignal.timeout(10_000))
    const untrusted = { code: 'WEFT_SERVER_UNTRUSTED', fields: { host: '127.0.0.1', port: world.port } }
    await t.rejects(connect({ roots: [testAuthority(Date.now()).root] }), untrusted, 'a server of another root')
    await t.rejects(connect({ roots: [] }), untrusted, 'empty roots believe nobody')
    await t.rejects(connect({ trustDomain: 'other.test' }), untrusted, 'a server of another trust domain')
    for (const id of ['mesh/agent/vm-1', 'ns/shop/sa/api']) {
      credentials.set({ roots: [authority.root], ...credentialsOf(authority, `spiffe://mesh.test/${id}`) })
      await t.rejects(connect(), untrusted, `a server that shows ${id}`)
    }
    t.equal(world.accepted.length, 0)
  })

  t.test('nobody, silence and a change of mind are told apart from a wrong server', async t => {
    const world = await startTransport(t, transport)
    const unreachable = { code: 'WEFT_SERVER_UNREACHABLE' }
    const silent = createServer(() => {})
    await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve))
    t.teardown(() => silent.close())
    const { port } = silent.address() as { port: number }
    const clock = new FakeClock()
    const called = new Promise(resolve => silent.once('connection', resolve))
    const waiting = t.rejects(
      transport.connect(world.options('vm-17', { port, clock }), new AbortController().signal),
      {
        ...unreachable,
        cause: { message: 'no answer within 5 s' },
      },
    )
    await called
    await clock.advance(5_000)
    await waiting
    const controller = new AbortController()
    const calledAgain = new Promise(resolve => silent.once('connection', resolve))
    const cancelled = t.rejects(transport.connect(world.options('vm-17', { port }), controller.signal), unreachable)
    await calledAgain
    controller.abort()
    await cancelled
    await world.running.stop()
    await t.rejects(transport.connect(world.options(), AbortSignal.timeout(10_000)), unreachable)
  })

  t.test('new credentials count for new connections, and unusable ones for none', async t => {
    const world = await startTransport(t, transport)
    const old = await world.connect('vm-1')
    const next = testAuthority(Date.now())
    const server = credentialsOf(next, 'spiffe://mesh.test/mesh/server/s1')
    world.credentials.set({ roots: [next.root], ...server })
    const agent = credentialsOf(next, 'spiffe://mesh.test/mesh/agent/vm-2')
    t.equal((await world.connect('vm-2', { roots: [next.root], ...agent })).node, 'vm-2')
    const outdated = transport.connect(world.options('vm-3', { roots: [next.root] }), AbortSignal.timeout(10_000))
    await t.rejects(outdated, { code: 'WEFT_SERVER_UNREACHABLE' }, 'the old root is not believed any more')
    world.credentials.set({ roots: [next.root], key: 'nonsense', chain: server.chain })
    t.equal((await world.connect('vm-4', { roots: [next.root], ...agent })).node, 'vm-2', 'the last usable ones stay')
    const pong = new Promise(resolve => old.server.onMessage(resolve))
    old.agent.send({ kind: 'pong', id: 4 })
    t.same(await pong, { kind: 'pong', id: 4 }, 'an open channel is not disturbed')
  })

  t.test('a connection ends with the certificate it was made with', async t => {
    const clock = new FakeClock(Date.now())
    const world = await startTransport(t, transport, { clock })
    const { agent, certificate } = await world.connect()
    const closed = new Promise(resolve => agent.onClose(resolve))
    await clock.advance(certificate.notAfter - clock.now() - 1)
    t.ok(clock.pending > 0, 'still open')
    await clock.advance(1)
    await closed
    t.ok(certificate.notAfter - Date.now() <= hourMs)
  })

  t.test('more connections than allowed are dropped until others are gone', async t => {
    const world = await startTransport(t, transport, { maxConnections: 1 })
    const { agent } = await world.connect('vm-1')
    const second = transport.connect(world.options('vm-2'), AbortSignal.timeout(10_000))
    await t.rejects(second, { code: 'WEFT_SERVER_UNREACHABLE' })
    agent.close('making room')
    const { node } = await eventually(async () => {
      await transport.connect(world.options('vm-3'), AbortSignal.timeout(10_000)).then(channel => {
        t.teardown(() => channel.close('the test is over'))
      })
      return world.accepted[1] ?? Promise.reject(new Error('not accepted yet'))
    })
    t.equal(node, 'vm-3')
  })

  t.test('stopping closes every channel and frees the port', async t => {
    const world = await startTransport(t, transport)
    const { agent } = await world.connect()
    const told = new Promise<string>(resolve => agent.onClose(resolve))
    await world.running.stop()
    t.match(await told, /stopping/)
    await world.running.stop()
    const again = { host: '127.0.0.1', port: world.port, credentials: world.credentials, trustDomain: 'mesh.test' }
    const other = await startTransport(t, transport, again)
    await t.rejects(startTransport(t, transport, again), { code: 'WEFT_LISTEN', fields: { port: world.port } })
    t.equal(other.port, world.port)
  })
}
