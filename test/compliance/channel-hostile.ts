import { randomBytes } from 'node:crypto'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import type { Test } from 'tap'
import type { ConnectOptions } from '../../agent/control/dial.ts'
import { maxMessageBytes } from '../../mesh/wire/messages.ts'
import { FakeClock } from '../fakes/clock.ts'
import { startTransport, type Transport } from '../support/channel-transport.ts'
import { eventually } from '../support/eventually.ts'

/** A session opened by hand, for sending frames that no channel of ours would send. */
export interface RawSession {
  send(frame: Buffer): void
  /** Stops reading, as a peer that hangs does. */
  pause(): void
  readonly closed: Promise<unknown>
  destroy(): void
}

/** Opens one with an agent's good certificate. */
export type OpenRaw = (options: ConnectOptions) => Promise<RawSession>

/** Whatever arrives at the port, the server neither crashes nor hangs, and honest agents go on. */
export function channelHostile(t: Test, transport: Transport, openRaw: OpenRaw): void {
  t.test('bytes that are no TLS are dropped', async t => {
    const world = await startTransport(t, transport)
    const honest = await world.connect('vm-1')
    const openings = [
      randomBytes(1),
      randomBytes(5_000),
      Buffer.from('GET /v1/control HTTP/1.1\r\nhost: weft\r\n\r\n'),
      Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
      Buffer.from([22, 3, 1, 255, 255, ...randomBytes(300)]),
      clientHello.subarray(0, 40),
    ]
    for (const opening of openings) {
      const socket = await tcp(t, world.port)
      // Half closed after it, so that an honest wait for more bytes ends too.
      socket.end(opening)
      await gone(socket)
    }
    await stillServed(t, world, honest)
  })

  t.test('a thousand connections that break off at every point of the handshake do no harm', async t => {
    const world = await startTransport(t, transport)
    const honest = await world.connect('vm-1')
    const options = world.options()
    for (let round = 0; round < 50; round += 1) {
      const sockets = await Promise.all(Array.from({ length: 20 }, () => tcp(t, world.port)))
      for (const [at, socket] of sockets.entries()) {
        if (at % 4 === 0) socket.resetAndDestroy()
        else if (at % 4 === 1) socket.end(clientHello.subarray(0, at * 5))
        else if (at % 4 === 2) socket.write(randomBytes(at * 10), () => socket.resetAndDestroy())
        else tls(t, options, transport, socket).on('error', () => {})
      }
      for (const socket of sockets) socket.destroy()
    }
    t.equal(world.accepted.length, 1)
    await stillServed(t, world, honest)
  })

  t.test('an agent that proves itself and then does not ask for its session is dropped after 5 s', async t => {
    const clock = new FakeClock(Date.now())
    const world = await startTransport(t, transport, { clock })
    for (const opening of ['', 'GET /v1/con', 'PRI * HTTP/2.0\r\n\r\nSM\r\n']) {
      const socket = tls(t, world.options(), transport)
      await new Promise<void>(resolve => socket.once('secureConnect', resolve))
      socket.write(opening)
      socket.resume().on('error', () => {})
      await eventually(async () => {
        await clock.advance(5_000)
        if (!socket.destroyed) throw new Error('still open')
      })
    }
    t.equal(world.accepted.length, 0)
  })

  t.test('an agent that speaks something else inside TLS is dropped', async t => {
    const world = await startTransport(t, transport)
    const honest = await world.connect('vm-1')
    const openings = [randomBytes(2_000), 'GET / HTTP/1.1\r\nhost: weft\r\n\r\n', 'POST /v1/control HTTP/1.1\r\n\r\n']
    for (const opening of openings) {
      const socket = tls(t, world.options('vm-2'), transport)
      await new Promise<void>(resolve => socket.once('secureConnect', resolve))
      socket.resume().on('error', () => {})
      socket.end(opening)
      await gone(socket)
    }
    t.equal(world.accepted.length, 1)
    await stillServed(t, world, honest)
  })

  t.test('a frame that is no message ends that session with the reason', async t => {
    const world = await startTransport(t, transport)
    const honest = await world.connect('vm-1')
    for (const frame of [Buffer.alloc(0), randomBytes(64), Buffer.from([0x0a, 0xff, 0xff, 0xff, 0x7f])]) {
      const raw = await openRaw(world.options('vm-2'))
      t.teardown(() => raw.destroy())
      const reason = new Promise<string>(resolve => world.accepted.at(-1)?.server.onClose(resolve))
      raw.send(frame)
      t.match(await reason, /^WEFT_WIRE: message/)
      await raw.closed
    }
    await stillServed(t, world, honest)
  })

  t.test('a message that is too large ends that session before it is read whole', async t => {
    const world = await startTransport(t, transport)
    const honest = await world.connect('vm-1')
    const raw = await openRaw(world.options('vm-2'))
    t.teardown(() => raw.destroy())
    const closed = new Promise<string>(resolve => world.accepted.at(-1)?.server.onClose(resolve))
    raw.send(Buffer.alloc(maxMessageBytes + 1))
    await closed
    await raw.closed
    await stillServed(t, world, honest)
  })

  t.test('what an agent does not read is counted, and closing does not wait for it', async t => {
    const world = await startTransport(t, transport)
    const raw = await openRaw(world.options('vm-2'))
    t.teardown(() => raw.destroy())
    raw.pause()
    const server = world.accepted.at(-1)?.server
    if (server === undefined) throw new Error('not accepted')
    const body = Buffer.alloc(1024 * 1024)
    const changed = [{ name: 'service/shop/api', hash: '0'.repeat(32), body }]
    for (let count = 0; count < 24; count += 1) {
      server.send({ kind: 'push', version: 1, full: false, changed, removed: [] })
    }
    await new Promise(resolve => setImmediate(resolve))
    t.ok(server.bufferedBytes() > 8 * 1024 * 1024, 'kernel buffers hold a few megabytes, the rest is ours')
    const closed = new Promise<string>(resolve => server.onClose(resolve))
    server.close('does not read')
    t.equal(await closed, 'does not read')
    await world.running.stop()
  })
}

/** How a TLS 1.3 ClientHello begins (RFC 8446 section 4.1.2): record, handshake, random, session id, ciphers. */
const clientHello = Buffer.from(
  [
    '16030100f1',
    '010000ed',
    '0303',
    '00'.repeat(32),
    '20',
    '11'.repeat(32),
    '0008130213031301',
    '00ff',
    '0100009c',
  ].join(''),
  'hex',
)

async function tcp(t: Test, port: number): Promise<Socket> {
  const socket = connectTcp(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.on('error', () => {})
  await new Promise<void>(resolve => socket.once('connect', resolve))
  return socket.resume()
}

function tls(t: Test, options: ConnectOptions, transport: Transport, over?: Socket): TLSSocket {
  const socket = connectTls({
    ...(over === undefined ? { host: options.host, port: options.port } : { socket: over }),
    ca: [...options.roots],
    key: options.key,
    cert: options.chain,
    ALPNProtocols: [transport.alpn],
    checkServerIdentity: () => undefined,
  })
  t.teardown(() => socket.destroy())
  return socket
}

async function gone(socket: Socket): Promise<void> {
  await new Promise<void>(resolve => (socket.closed ? resolve() : socket.once('close', () => resolve())))
}

type World = Awaited<ReturnType<typeof startTransport>>
type Connected = Awaited<ReturnType<World['connect']>>

/** Both an agent that was there before and one that comes now get their messages through. */
async function stillServed(t: Test, world: World, before: Connected): Promise<void> {
  for (const { agent, server } of [before, await world.connect('vm-9')]) {
    const got = new Promise(resolve => server.onMessage(resolve))
    agent.send({ kind: 'ping', id: 7 })
    t.same(await got, { kind: 'ping', id: 7 })
  }
}
