import { Duplex } from 'node:stream'
import t from 'tap'
import { Http1ServerConnection } from '../../../../../agent/dataplane/http1/server-connection.ts'
import { FakeClock } from '../../../../fakes/clock.ts'
import { until } from '../../../../support/eventually.ts'
import { codecClient, codecServer, watchExchange } from '../../../../support/http1-pair.ts'

const get = 'GET /a HTTP/1.1\r\nHost: web\r\n\r\n'

t.test('a head that is not completed in 10 s is refused with 408, at whatever pace it comes', async t => {
  const clock = new FakeClock()
  const { client, problems, sockets } = await codecServer(t, () => {}, { clock })
  const peer = await client()
  let sent = 0
  for (const part of ['GET /a HTTP/1.1\r\n', 'Host: web\r\n', 'X-A: b\r\n']) {
    peer.send(part)
    sent += part.length
    await until('read', () => sockets[0]?.bytesRead === sent)
    await clock.advance(3_000)
  }
  t.equal(peer.text(), '')
  await clock.advance(1_000)
  t.match(await peer.end(), /^HTTP\/1\.1 408 Request Timeout\r\n/)
  t.match(problems, [{ status: 408, code: 'head-timeout', method: 'GET', path: '/a' }])
})

t.test('an empty line, or nothing, is no head that is late', async t => {
  const clock = new FakeClock()
  const { client, sockets } = await codecServer(t, ({ stream }) => stream.respond([':status', '200'], true), { clock })
  const peer = await client()
  peer.send('\r\n')
  await until('read', () => sockets[0]?.bytesRead === 2)
  await clock.advance(60_000)
  peer.send(get)
  await peer.expect('200 OK')
  t.equal(peer.ended, false)
})

t.test('a body that brings nothing for a minute is answered with 408', async t => {
  const clock = new FakeClock()
  const { client, seen } = await codecServer(t, () => {}, {
    clock,
    limits: { bodyCheckMs: 60_000, bodyBytesPerCheck: 2 },
  })
  const peer = await client()
  peer.send('POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 100\r\n\r\nabc')
  await until('the request', () => seen[0]?.data.length === 1)
  await clock.advance(60_000)
  t.equal(seen[0]!.reset, undefined)
  peer.send('d')
  await until('more', () => seen[0]?.data.length === 2)
  await clock.advance(60_000)
  t.match(await peer.end(), /^HTTP\/1\.1 408 /)
  t.equal(seen[0]!.reset?.reason, 'the body came too slowly')
})

t.test('a body that we hold back ourselves is not late', async t => {
  const clock = new FakeClock()
  const { client, seen, sockets } = await codecServer(t, () => {}, { clock, hold: true })
  const peer = await client()
  peer.send('POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 9000000\r\n\r\n')
  peer.send(Buffer.alloc(9_000_000))
  await until('a pause', () => sockets[0]?.isPaused() === true)
  await clock.advance(3_600_000)
  t.equal(seen[0]!.reset, undefined)
})

t.test('a connection that nobody uses is closed after an hour, and not before', async t => {
  const clock = new FakeClock()
  const { client, closed } = await codecServer(t, ({ stream }) => stream.respond([':status', '200'], true), { clock })
  const peer = await client()
  for (let round = 1; round <= 3; round += 1) {
    peer.send(get)
    await until('the answer', () => peer.text().split('200 OK').length === round + 1)
    await clock.advance(3_000_000)
    t.equal(closed.length, 0)
  }
  await clock.advance(1_500_000)
  t.equal(await peer.end().then(text => text.split('200 OK').length), 4)
  t.strictSame(closed, ['idle for too long'])
})

t.test('an exchange under way is not idle', async t => {
  const clock = new FakeClock()
  const { client, seen, closed } = await codecServer(t, () => {}, { clock })
  const peer = await client()
  peer.send(get)
  await until('the request', () => seen.length === 1)
  await clock.advance(24 * 3_600_000)
  t.equal(closed.length, 0)
})

/** A socket whose peer takes nothing. */
class StuckSocket extends Duplex {
  override _write(): void {}
  override _read(): void {}
}

t.test('a client that takes nothing for a minute loses its response', async t => {
  const clock = new FakeClock()
  const socket = new StuckSocket()
  const connection = new Http1ServerConnection(socket, { clock, refused() {} })
  const closed: string[] = []
  connection.onClose = reason => closed.push(reason)
  connection.onStream = (stream, headers, endStream) => {
    watchExchange(stream, headers, endStream)
    stream.respond([':status', '200'], true)
  }
  socket.push(get)
  await clock.advance(59_000)
  t.strictSame(closed, [])
  await clock.advance(1_000)
  t.strictSame(closed, ['the peer does not read'])
  t.equal(socket.destroyed, true)
})

t.test('the last words have as long, and a peer that then does not close is left after a second', async t => {
  const clock = new FakeClock()
  const { client, sockets } = await codecServer(t, () => {}, { clock })
  const peer = await client()
  peer.send('nonsense\r\n')
  t.match(await peer.end(), /^HTTP\/1\.1 400 /)
  peer.send('more that nobody reads')
  await until('finished', () => sockets[0]!.writableFinished)
  t.equal(sockets[0]!.destroyed, false)
  await clock.advance(1_000)
  t.equal(sockets[0]!.destroyed, true)
})

t.test('a response whose head is not completed in 10 s resets its exchange', async t => {
  const clock = new FakeClock()
  const { connection, server } = await codecClient(t, { clock })
  const seen = watchExchange(
    connection.open([':method', 'GET', ':scheme', 'http', ':authority', 'web', ':path', '/'], true)!,
  )
  await server.expect('\r\n\r\n')
  await clock.advance(60_000)
  t.equal(seen.reset, undefined)
  server.send('HTTP/1.1 200 OK\r\n')
  await until('begun', () => clock.pending > 0)
  await clock.advance(10_000)
  t.equal(seen.reset?.reason, 'the head was not completed in time')
})

t.test('no timer is left when connections are over', async t => {
  const clock = new FakeClock()
  const { client, connections, sockets } = await codecServer(t, () => {}, { clock })
  const peers = [await client(), await client(), await client()]
  peers[0]!.send('GET')
  peers[1]!.send(get)
  peers[2]!.send('POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 100\r\n\r\nabc')
  await until('read', () => sockets.length === 3 && sockets.every(({ bytesRead }) => bytesRead > 0))
  for (const connection of connections) connection.destroy('the test is over')
  await until('closed', () => sockets.every(({ destroyed }) => destroyed))
  t.equal(clock.pending, 0)
})
