import assert from 'node:assert/strict'
import t from 'tap'
import { flag, frameType, h2Error } from '../../../../../agent/dataplane/h2/frames.ts'
import { eventually } from '../../../../support/eventually.ts'
import {
  block,
  frameBytes,
  numbers,
  type RawWorld,
  rawClient,
  rawServer,
  settingsPayload,
  watchStream,
} from '../../../../support/h2-raw.ts'

const { data, ping, settings, goaway } = frameType
const okBlock = block(':status', '200')

const connectPairs = [':method', 'CONNECT', ':authority', 'a:1']

/** What a server does wrong: the code, and whether it costs the stream or the connection. */
const serverErrors: Readonly<Record<string, readonly ['stream' | 'connection', number, (world: RawWorld) => void]>> = {
  'a stream of its own': ['connection', h2Error.protocol, ({ peer }) => peer.headers(2, okBlock)],
  'HEADERS on a stream we never opened': ['connection', h2Error.protocol, ({ peer }) => peer.headers(3, okBlock)],
  'a setting that allows push': [
    'connection',
    h2Error.protocol,
    ({ peer }) => peer.send(settings, 0, 0, settingsPayload([2, 1])),
  ],
  'DATA before the response': ['stream', h2Error.protocol, ({ peer }) => peer.send(data, 0, 1, 'x')],
  'a response without a status': ['stream', h2Error.protocol, ({ peer }) => peer.headers(1, block('a', 'b'))],
  'a switch of protocols': ['stream', h2Error.protocol, ({ peer }) => peer.headers(1, block(':status', '101'))],
  'an interim response that ends the stream': [
    'stream',
    h2Error.protocol,
    ({ peer }) => peer.headers(1, block(':status', '103'), true),
  ],
  'a second response': [
    'stream',
    h2Error.protocol,
    ({ peer }) => {
      peer.headers(1, okBlock)
      peer.headers(1, okBlock, true)
    },
  ],
  'a response that is too large': [
    'stream',
    h2Error.enhanceYourCalm,
    ({ peer }) => peer.headers(1, block(':status', '200', 'a', 'b'.repeat(17_000))),
  ],
}

for (const [name, [scope, code, attack]] of Object.entries(serverErrors)) {
  t.test(`does not take from a server ${name}`, async t => {
    const world = await rawServer(t)
    const stream = world.connection.open(connectPairs, false)
    if (stream === undefined) throw new Error('no capacity')
    const seen = watchStream(stream)
    attack(world)
    t.equal(scope === 'stream' ? await world.peer.resetCode(1) : await world.peer.goawayCode(), code)
    await eventually(() => assert.equal(seen.reset?.code, code))
    t.equal(world.closed.length, scope === 'stream' ? 0 : 1)
  })
}

t.test('a response to HEAD has a length and no payload', async t => {
  const world = await rawServer(t)
  const stream = world.connection.open([':method', 'HEAD', ':scheme', 'http', ':path', '/'], true)
  if (stream === undefined) throw new Error('no capacity')
  const seen = watchStream(stream)
  world.peer.headers(1, block(':status', '200', 'content-length', '100'), true)
  await eventually(() => assert.equal(seen.ended, true))
  t.equal(seen.reset, undefined)
})

t.test('resets streams that a leaving server will not handle, and finishes the others', async t => {
  const world = await rawServer(t)
  const seen = [1, 3].map(() => {
    const stream = world.connection.open(connectPairs, false)
    if (stream === undefined) throw new Error('no capacity')
    return watchStream(stream)
  })
  world.peer.send(goaway, 0, 0, numbers(1, h2Error.noError))
  await eventually(() => assert.deepEqual(world.goaways, [h2Error.noError]))
  t.match(seen[1]?.reset, { code: h2Error.refusedStream })
  t.equal(seen[0]?.reset, undefined)
  t.equal(world.connection.canOpen(), false)
  world.peer.headers(1, okBlock, true)
  await eventually(() => assert.equal(seen[0]?.ended, true))
  seen[0]?.stream.end()
  await eventually(() => assert.equal(world.closed.length, 1))
})

t.test('opens nothing when the server allows no streams', async t => {
  const world = await rawServer(t, { peerSettings: settingsPayload([3, 0]) })
  t.equal(world.connection.canOpen(), false)
  world.peer.send(goaway, 0, 0, numbers(0, h2Error.noError))
  await eventually(() => assert.equal(world.closed.length, 1))
})

t.test('answers in the order and with the payload it was asked', async t => {
  const world = await rawClient(t)
  world.peer.sendBytes(
    Buffer.concat([frameBytes(ping, 0, 0, 'question'), frameBytes(settings, 0, 0), frameBytes(ping, 0, 0, 'another!')]),
  )
  await world.peer.settled()
  t.strictSame(
    world.peer
      .of(ping)
      .slice(0, 2)
      .map(frame => [frame.flags, frame.payload.toString()]),
    [
      [flag.ack, 'question'],
      [flag.ack, 'another!'],
    ],
  )
})
