import assert from 'node:assert/strict'
import t from 'tap'
import { flag, frameType, h2Error } from '../../../../../agent/dataplane/h2/frames.ts'
import { eventually } from '../../../../support/eventually.ts'
import { block, connectBlock, numbers, type RawWorld, rawClient, settingsPayload } from '../../../../support/h2-raw.ts'

const { data, headers, ping, rstStream, settings, windowUpdate, continuation, goaway } = frameType
const get = [':method', 'GET', ':scheme', 'http', ':authority', 'a', ':path', '/'] as const

/** What ends the connection, as a client does it to our server. */
const connectionErrors: Readonly<Record<string, readonly [number, (world: RawWorld) => void]>> = {
  'DATA on a stream that was never opened': [h2Error.protocol, ({ peer }) => peer.send(data, 0, 5, 'x')],
  'WINDOW_UPDATE on a stream that was never opened': [
    h2Error.protocol,
    ({ peer }) => peer.send(windowUpdate, 0, 5, numbers(1)),
  ],
  'RST_STREAM on a stream that was never opened': [
    h2Error.protocol,
    ({ peer }) => peer.send(rstStream, 0, 5, numbers(8)),
  ],
  'HEADERS on an even stream': [h2Error.protocol, ({ peer }) => peer.headers(2)],
  'a stream id lower than an earlier one': [
    h2Error.streamClosed,
    ({ peer }) => {
      peer.headers(5)
      peer.headers(3)
    },
  ],
  'DATA on a stream the client has reset': [
    h2Error.streamClosed,
    ({ peer }) => {
      peer.headers(1)
      peer.send(rstStream, 0, 1, numbers(8))
      peer.send(data, 0, 1, 'x')
    },
  ],
  'a connection window update of zero': [h2Error.protocol, ({ peer }) => peer.send(windowUpdate, 0, 0, numbers(0))],
  'a connection window beyond 2^31-1': [
    h2Error.flowControl,
    ({ peer }) => peer.send(windowUpdate, 0, 0, numbers(2 ** 31 - 1)),
  ],
  'an initial window beyond 2^31-1': [
    h2Error.flowControl,
    ({ peer }) => peer.send(settings, 0, 0, settingsPayload([4, 2 ** 31])),
  ],
  'an initial window that overflows an open stream': [
    h2Error.flowControl,
    ({ peer }) => {
      peer.headers(1)
      peer.send(windowUpdate, 0, 1, numbers(2 ** 31 - 1 - 65_535))
      peer.send(settings, 0, 0, settingsPayload([4, 65_536]))
    },
  ],
  'a header block that cannot be decoded': [
    h2Error.compression,
    ({ peer }) => peer.headers(1, Buffer.from('ff'.repeat(9), 'hex')),
  ],
  'HEADERS too short for their priority': [
    h2Error.frameSize,
    ({ peer }) => peer.send(headers, flag.endHeaders | flag.priority, 1, 'abc'),
  ],
  'HEADERS with more padding than frame': [
    h2Error.protocol,
    ({ peer }) => peer.send(headers, flag.endHeaders | flag.padded, 1, Buffer.from([9, 0x82])),
  ],
  'more DATA than the connection window': [
    h2Error.flowControl,
    ({ peer }) => {
      peer.headers(1)
      peer.headers(3)
      peer.send(data, 0, 1, Buffer.alloc(60_000))
      peer.send(data, 0, 3, Buffer.alloc(60_000))
    },
  ],
}

for (const [name, [code, attack]] of Object.entries(connectionErrors)) {
  t.test(`ends the connection for ${name}`, async t => {
    const world = await rawClient(t, { settings: { connectionWindow: 65_535 }, hold: true })
    attack(world)
    t.equal(await world.peer.goawayCode(), code)
    await eventually(() => assert.equal(world.peer.ended, true))
    t.equal(world.closed.length, 1)
    for (const { reset } of world.streams) t.ok(reset, 'open streams are told')
  })
}

/** What costs a client its stream and nothing else. */
const streamErrors: Readonly<Record<string, readonly [number, (world: RawWorld) => void]>> = {
  'a malformed request': [h2Error.protocol, ({ peer }) => peer.headers(1, block(...get, 'connection', 'close'))],
  'a CONNECT with a path': [
    h2Error.protocol,
    ({ peer }) => peer.headers(1, block(':method', 'CONNECT', ':authority', 'a:1', ':path', '/')),
  ],
  'a header list with too many pairs': [
    h2Error.enhanceYourCalm,
    ({ peer }) => peer.headers(1, block(...get, ...Array.from({ length: 61 }, () => ['a', 'b']).flat())),
  ],
  'a header list with too many bytes': [
    h2Error.enhanceYourCalm,
    ({ peer }) => peer.headers(1, block(...get, 'a', 'b'.repeat(17_000))),
  ],
  'DATA after END_STREAM': [
    h2Error.streamClosed,
    ({ peer }) => {
      peer.headers(1, connectBlock, true)
      peer.send(data, 0, 1, 'x')
    },
  ],
  'HEADERS after END_STREAM': [
    h2Error.streamClosed,
    ({ peer }) => {
      peer.headers(1, connectBlock, true)
      peer.headers(1, block('a', 'b'), true)
    },
  ],
  'trailers on a CONNECT': [
    h2Error.protocol,
    ({ peer }) => {
      peer.headers(1)
      peer.headers(1, block('a', 'b'), true)
    },
  ],
  'trailers that do not end the stream': [
    h2Error.protocol,
    ({ peer }) => {
      peer.headers(1, block(...get))
      peer.headers(1, block('a', 'b'))
    },
  ],
  'trailers with a pseudo-header': [
    h2Error.protocol,
    ({ peer }) => {
      peer.headers(1, block(...get))
      peer.headers(1, block(':path', '/other'), true)
    },
  ],
  'more payload than its content-length': [
    h2Error.protocol,
    ({ peer }) => {
      peer.headers(1, block(...get, 'content-length', '3'))
      peer.send(data, 0, 1, 'four')
    },
  ],
  'less payload than its content-length': [
    h2Error.protocol,
    ({ peer }) => {
      peer.headers(1, block(...get, 'content-length', '3'))
      peer.send(data, flag.endStream, 1, 'ab')
    },
  ],
  'a content-length and no payload at all': [
    h2Error.protocol,
    ({ peer }) => peer.headers(1, block(...get, 'content-length', '3'), true),
  ],
  'a stream window update of zero': [
    h2Error.protocol,
    ({ peer }) => {
      peer.headers(1)
      peer.send(windowUpdate, 0, 1, numbers(0))
    },
  ],
  'a stream window beyond 2^31-1': [
    h2Error.flowControl,
    ({ peer }) => {
      peer.headers(1)
      peer.send(windowUpdate, 0, 1, numbers(2 ** 31 - 1))
    },
  ],
  'more DATA than the stream window': [
    h2Error.flowControl,
    ({ peer }) => {
      peer.headers(1)
      peer.send(data, 0, 1, Buffer.alloc(70_001))
    },
  ],
}

for (const [name, [code, attack]] of Object.entries(streamErrors)) {
  t.test(`resets the stream for ${name}`, async t => {
    const world = await rawClient(t, { settings: { initialWindowSize: 70_000 }, hold: true })
    attack(world)
    t.equal(await world.peer.resetCode(1), code)
    await world.peer.settled()
    t.strictSame(world.closed, [], 'the connection goes on')
    t.equal(world.connection.openStreams, 0)
    world.peer.headers(3)
    await eventually(() => assert.equal(world.connection.openStreams, 1))
  })
}

t.test('takes frames that were under way to a stream it has reset, and returns their window', async t => {
  const world = await rawClient(t, { settings: { connectionWindow: 65_535, initialWindowSize: 65_535 } })
  for (let streamId = 1; streamId < 40; streamId += 2) {
    world.peer.headers(streamId)
    await world.peer.settled()
    world.streams.at(-1)?.stream.reset(h2Error.cancel)
    world.peer.send(data, 0, streamId, Buffer.alloc(10_000))
    world.peer.send(windowUpdate, 0, streamId, numbers(1))
    world.peer.send(headers, flag.endHeaders | flag.endStream, streamId, block('a', 'b'))
    await world.peer.settled()
  }
  t.strictSame(world.closed, [])
  const returned = world.peer.of(windowUpdate, 0).reduce((sum, frame) => sum + frame.payload.readUInt32BE(0), 0)
  t.ok(returned >= 150_000, `${returned} bytes of 200000 were returned`)
})

t.test('counts padding for flow control and returns it', async t => {
  const world = await rawClient(t, { settings: { connectionWindow: 65_535, initialWindowSize: 65_535 }, hold: true })
  world.peer.headers(1)
  for (let round = 0; round < 400; round += 1) {
    world.peer.send(data, flag.padded, 1, Buffer.concat([Buffer.from([250]), Buffer.alloc(1), Buffer.alloc(250)]))
  }
  await world.peer.settled()
  t.strictSame(world.closed, [])
  t.equal(Buffer.concat(world.streams[0]?.data ?? []).length, 400)
})

t.test('puts a header block together from CONTINUATION frames, with padding and priority', async t => {
  const world = await rawClient(t)
  const list = block(...get, 'x-long', 'v'.repeat(300))
  const first = Buffer.concat([Buffer.from([4]), numbers(0), Buffer.from([7]), list.subarray(0, 3), Buffer.alloc(4)])
  world.peer.send(headers, flag.padded | flag.priority, 1, first)
  world.peer.send(continuation, 0, 1, list.subarray(3, 100))
  world.peer.send(continuation, 0, 1)
  world.peer.send(continuation, flag.endHeaders, 1, list.subarray(100))
  await world.peer.settled()
  t.strictSame(world.streams[0]?.headers, [[...get, 'x-long', 'v'.repeat(300)]])
})

t.test('cuts a header block of its own for a peer with small frames', async t => {
  const world = await rawClient(t)
  world.peer.headers(1, block(...get), true)
  await world.peer.settled()
  world.streams[0]?.stream.respond([':status', '200', 'x-long', '#'.repeat(40_000)], true)
  await world.peer.settled()
  const parts = world.peer.frames.filter(frame => frame.streamId === 1)
  t.strictSame(
    parts.map(frame => [frame.type, frame.flags, frame.payload.length <= 16_384]),
    [
      [headers, flag.endStream, true],
      [continuation, 0, true],
      [continuation, flag.endHeaders, true],
    ],
  )
})

t.test('obeys the frame size and the windows of the peer', async t => {
  const world = await rawClient(t, { peerSettings: settingsPayload([4, 100_000], [5, 20_000]) })
  world.peer.headers(1)
  await world.peer.settled()
  const stream = world.streams[0]?.stream
  stream?.respond([':status', '200'], false)
  t.equal(stream?.write(Buffer.alloc(200_000)), false)
  await world.peer.settled()
  const sent = () => world.peer.of(data, 1).reduce((sum, frame) => sum + frame.payload.length, 0)
  t.equal(sent(), 65_535, 'the connection window')
  world.peer.send(windowUpdate, 0, 0, numbers(1_000_000))
  await world.peer.settled()
  t.equal(sent(), 100_000, 'the stream window')
  world.peer.send(settings, 0, 0, settingsPayload([4, 50_000]))
  world.peer.send(windowUpdate, 0, 1, numbers(50_000))
  await world.peer.settled()
  t.equal(sent(), 100_000, 'a reduced initial window makes the stream window negative first')
  world.peer.send(windowUpdate, 0, 1, numbers(1_000_000))
  await eventually(() => assert.equal(sent(), 200_000))
  t.ok(world.peer.of(data, 1).every(frame => frame.payload.length <= 20_000))
  t.equal(world.streams[0]?.drains, 1)
})

t.test('refuses streams beyond its limit and takes new ones when others end', async t => {
  const world = await rawClient(t, { maxConcurrentStreams: 2 })
  for (const streamId of [1, 3, 5]) world.peer.headers(streamId)
  t.equal(await world.peer.resetCode(5), h2Error.refusedStream)
  world.peer.send(rstStream, 0, 1, numbers(h2Error.cancel))
  world.peer.headers(7)
  await world.peer.settled()
  t.equal(world.connection.openStreams, 2)
  t.strictSame(world.closed, [])
})

t.test('names the last stream a round trip after it announced to leave', async t => {
  const world = await rawClient(t)
  world.peer.headers(1)
  await world.peer.settled()
  world.connection.goaway()
  await eventually(() => assert.equal(world.peer.of(goaway).length, 1))
  t.equal(world.peer.of(goaway)[0]?.payload.readUInt32BE(0), 2 ** 31 - 1)
  world.peer.headers(3)
  const question = await eventually(() => {
    const frame = world.peer.of(ping).find(one => one.flags === 0)
    if (frame === undefined) throw new Error('no PING yet')
    return frame
  })
  world.peer.send(ping, flag.ack, 0, question.payload)
  await eventually(() => assert.equal(world.peer.of(goaway).length, 2))
  t.equal(world.peer.of(goaway)[1]?.payload.readUInt32BE(0), 3, 'the stream that was under way is counted')
  world.peer.headers(5)
  t.equal(await world.peer.resetCode(5), h2Error.refusedStream)
  t.equal(world.streams.length, 2)
})

t.test('does not wait for ever for a peer that never answers its goodbye', async t => {
  const world = await rawClient(t)
  world.peer.headers(1)
  await world.peer.settled()
  world.connection.goaway()
  await world.clock.advance(1_000)
  await eventually(() => assert.equal(world.peer.of(goaway).length, 2))
})
