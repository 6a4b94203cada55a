import assert from 'node:assert/strict'
import t from 'tap'
import { clientPreface, flag, frameType, h2Error } from '../../../../../agent/dataplane/h2/frames.ts'
import { eventually } from '../../../../support/eventually.ts'
import {
  block,
  connectBlock,
  frameBytes,
  numbers,
  rawClient,
  rawServer,
  settingsPayload,
} from '../../../../support/h2-raw.ts'
import { socketPair } from '../../../../support/sockets.ts'

const { data, headers, ping, priority, rstStream, settings, windowUpdate, continuation } = frameType

/** Attacks of the security reference, section 3.2: each ends with the connection, and with this code. */

function repeated(count: number, bytes: Buffer): Buffer {
  return Buffer.concat(Array.from({ length: count }, () => bytes))
}

t.test('rapid reset: streams opened and cancelled at once', async t => {
  const world = await rawClient(t)
  const bytes: Buffer[] = []
  for (let index = 0; index < 5_000; index += 1) {
    bytes.push(frameBytes(headers, flag.endHeaders, 1 + index * 2, connectBlock))
    bytes.push(frameBytes(rstStream, 0, 1 + index * 2, numbers(h2Error.cancel)))
  }
  world.peer.sendBytes(Buffer.concat(bytes))
  t.equal(await world.peer.goawayCode(), h2Error.enhanceYourCalm)
  t.ok(world.streams.length <= 101, `${world.streams.length} streams reached the owner`)
  t.equal(world.connection.openStreams, 0)
})

t.test('a rapid reset after an answer but without payload counts too', async t => {
  const world = await rawClient(t)
  world.connection.onStream = stream => stream.respond([':status', '200'], false)
  for (let index = 0; index < 101; index += 1) {
    world.peer.headers(1 + index * 2)
    world.peer.send(rstStream, 0, 1 + index * 2, numbers(h2Error.cancel))
  }
  t.equal(await world.peer.goawayCode(), h2Error.enhanceYourCalm)
})

t.test('tunnels that were used and then aborted are no attack', async t => {
  const world = await rawClient(t)
  world.connection.onStream = stream => {
    stream.respond([':status', '200'], false)
    stream.onData = chunk => stream.consumed(chunk.length)
  }
  for (let index = 0; index < 300; index += 1) {
    world.peer.headers(1 + index * 2)
    world.peer.send(data, 0, 1 + index * 2, 'x')
    world.peer.send(rstStream, 0, 1 + index * 2, numbers(h2Error.cancel))
  }
  await world.peer.settled()
  t.strictSame(world.closed, [])
})

t.test('a hundred resets in every ten seconds are no attack', async t => {
  const world = await rawClient(t)
  for (let round = 0; round < 3; round += 1) {
    for (let index = 0; index < 100; index += 1) {
      const streamId = 1 + (round * 100 + index) * 2
      world.peer.headers(streamId)
      world.peer.send(rstStream, 0, streamId, numbers(h2Error.cancel))
    }
    await world.peer.settled()
    await world.clock.advance(10_001)
  }
  t.strictSame(world.closed, [])
})

t.test('resets that the server is provoked to send count like the client\u2019s own', async t => {
  const world = await rawClient(t)
  for (let index = 0; index < 101; index += 1) {
    world.peer.headers(1 + index * 2)
    world.peer.send(windowUpdate, 0, 1 + index * 2, numbers(0))
  }
  t.equal(await world.peer.goawayCode(), h2Error.enhanceYourCalm)
})

t.test('streams beyond the limit, again and again', async t => {
  const world = await rawClient(t, { maxConcurrentStreams: 10 })
  for (let index = 0; index < 111; index += 1) world.peer.headers(1 + index * 2)
  t.equal(await world.peer.goawayCode(), h2Error.enhanceYourCalm)
  t.equal(world.streams.length, 10)
})

t.test('a CONTINUATION flood of empty frames', async t => {
  const world = await rawClient(t)
  world.peer.send(headers, 0, 1, connectBlock)
  world.peer.sendBytes(repeated(20_000, frameBytes(continuation, 0, 1)))
  t.equal(await world.peer.goawayCode(), h2Error.enhanceYourCalm)
})

t.test('a CONTINUATION flood of large frames', async t => {
  const world = await rawClient(t)
  world.peer.send(headers, 0, 1, connectBlock)
  world.peer.sendBytes(repeated(5, frameBytes(continuation, 0, 1, Buffer.alloc(16_384, 0x88))))
  t.equal(await world.peer.goawayCode(), h2Error.enhanceYourCalm)
  t.equal(world.streams.length, 0)
})

t.test('a header bomb: one large table entry, referred to a hundred times on a hundred streams', async t => {
  const world = await rawClient(t)
  const entry = Buffer.concat([Buffer.from([0x40, 1, 0x61, 0x7f, 0xa1, 0x1d]), Buffer.alloc(3872, 0x62)])
  const bomb = Buffer.concat([connectBlock.subarray(1), repeated(100, Buffer.from([0xbe]))])
  world.peer.headers(1, Buffer.concat([connectBlock.subarray(1), entry]))
  for (let index = 1; index < 110; index += 1) world.peer.headers(1 + index * 2, bomb)
  t.equal(await world.peer.goawayCode(), h2Error.enhanceYourCalm)
  t.equal(world.streams.length, 1, 'only the harmless one reached the owner')
})

t.test('a PING flood', async t => {
  const world = await rawClient(t)
  world.peer.sendBytes(repeated(5_000, frameBytes(ping, 0, 0, Buffer.alloc(8))))
  t.equal(await world.peer.goawayCode(), h2Error.enhanceYourCalm)
  t.ok(world.peer.of(ping).length <= 1_000)
})

t.test('a SETTINGS flood', async t => {
  const world = await rawClient(t)
  world.peer.sendBytes(repeated(5_000, frameBytes(settings, 0, 0, settingsPayload([4, 1000]))))
  t.equal(await world.peer.goawayCode(), h2Error.enhanceYourCalm)
})

t.test('a flood of empty DATA frames, plain or all padding', async t => {
  for (const frame of [frameBytes(data, 0, 1), frameBytes(data, flag.padded, 1, Buffer.alloc(1 + 0))]) {
    const world = await rawClient(t)
    world.peer.headers(1)
    world.peer.sendBytes(repeated(5_000, frame))
    t.equal(await world.peer.goawayCode(), h2Error.enhanceYourCalm)
  }
})

t.test('a WINDOW_UPDATE flood', async t => {
  const world = await rawClient(t)
  world.peer.sendBytes(repeated(20_000, frameBytes(windowUpdate, 0, 0, numbers(1))))
  t.equal(await world.peer.goawayCode(), h2Error.enhanceYourCalm)
})

t.test('a PRIORITY flood and frames of unknown types cost nothing and change nothing', async t => {
  const world = await rawClient(t)
  world.peer.sendBytes(repeated(50_000, frameBytes(priority, 0, 7, Buffer.alloc(5))))
  world.peer.sendBytes(repeated(1_000, frameBytes(0x77, 0xff, 7, Buffer.alloc(500))))
  await world.peer.settled()
  t.strictSame(world.closed, [])
})

t.test('a peer that asks and never reads the answers', async t => {
  const limits = { pings: 1e9, unreadControlBytes: 10_000 }
  const { near, far } = await socketPair(t)
  const { H2Connection } = await import('../../../../../agent/dataplane/h2/connection.ts')
  const { FakeClock } = await import('../../../../fakes/clock.ts')
  const closed: string[] = []
  const connection = new H2Connection(far, 'server', { clock: new FakeClock(), limits, keepalive: false })
  t.teardown(() => connection.destroy('the test is over'))
  connection.onClose = reason => closed.push(reason)
  near.pause()
  near.write(Buffer.concat([Buffer.from(clientPreface), frameBytes(settings, 0, 0), frameBytes(settings, flag.ack, 0)]))
  const questions = repeated(1_000, frameBytes(ping, 0, 0, Buffer.alloc(8)))
  await eventually(() => {
    if (near.writableLength < 1_000_000) for (let index = 0; index < 50; index += 1) near.write(questions)
    assert.deepEqual(closed, ['the peer does not read our answers'])
  })
  t.strictSame(closed, ['the peer does not read our answers'])
})

t.test('a client that never says its preface', async t => {
  const world = await rawClient(t, { silent: true })
  world.peer.sendBytes(clientPreface.slice(0, 10))
  await world.clock.advance(5_000)
  t.equal(await world.peer.goawayCode(), h2Error.settingsTimeout, 'our settings wait for an answer as well')
  const patient = await rawClient(t, { silent: true, limits: { settingsTimeoutMs: 60_000 } })
  await patient.clock.advance(9_999)
  t.strictSame(patient.closed, [])
  await patient.clock.advance(1)
  t.equal(await patient.peer.goawayCode(), h2Error.protocol)
})

t.test('a client that speaks something else', async t => {
  const world = await rawClient(t, { silent: true })
  world.peer.sendBytes('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  t.equal(await world.peer.goawayCode(), h2Error.protocol)
})

t.test('a peer whose first frame is not SETTINGS', async t => {
  const client = await rawClient(t, { silent: true })
  client.peer.sendBytes(clientPreface)
  client.peer.headers(1)
  t.equal(await client.peer.goawayCode(), h2Error.protocol)
  t.equal(client.streams.length, 0)
  const server = await rawServer(t, { silent: true })
  server.peer.send(ping, 0, 0, Buffer.alloc(8))
  t.equal(await server.peer.goawayCode(), h2Error.protocol)
})

t.test('a peer that does not acknowledge our settings', async t => {
  const world = await rawClient(t, { silent: true })
  world.peer.sendBytes(clientPreface)
  world.peer.send(settings, 0, 0)
  world.peer.headers(1)
  await world.peer.settled()
  await world.clock.advance(4_999)
  t.strictSame(world.closed, [])
  await world.clock.advance(1)
  t.equal(await world.peer.goawayCode(), h2Error.settingsTimeout)
})

t.test('a header block that never ends', async t => {
  const world = await rawClient(t)
  world.peer.send(headers, 0, 1, connectBlock)
  await world.peer.settledByBytes()
  await world.clock.advance(9_999)
  t.strictSame(world.closed, [])
  await world.clock.advance(1)
  t.equal(await world.peer.goawayCode(), h2Error.enhanceYourCalm)
})

t.test('a HEADERS frame that drips in byte by byte', async t => {
  const world = await rawClient(t)
  const bytes = frameBytes(headers, flag.endHeaders, 1, block(':method', 'CONNECT', ':authority', 'a'.repeat(100)))
  for (let at = 0; at < 12; at += 1) {
    world.peer.sendBytes(bytes.subarray(at, at + 1))
    await world.peer.settledByBytes()
  }
  await world.clock.advance(10_000)
  t.equal(await world.peer.goawayCode(), h2Error.enhanceYourCalm)
})

t.test('a header block that is completed in time stops the timer', async t => {
  const world = await rawClient(t)
  world.peer.send(headers, 0, 1, connectBlock)
  await world.peer.settledByBytes()
  await world.clock.advance(9_000)
  world.peer.send(continuation, flag.endHeaders, 1)
  await world.peer.settled()
  await world.clock.advance(9_000)
  t.strictSame(world.closed, [])
  t.equal(world.streams.length, 1)
})

t.test('a peer that neither reads our last words nor closes is cut off', async t => {
  const world = await rawClient(t)
  world.peer.headers(2)
  await world.peer.goawayCode()
  await world.clock.advance(1_000)
  await eventually(() => assert.equal(world.peer.ended, true))
  t.equal(world.clock.pending, 0)
})
