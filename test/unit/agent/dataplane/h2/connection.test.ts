import assert from 'node:assert/strict'
import { Duplex } from 'node:stream'
import t from 'tap'
import { H2Connection, type H2Options } from '../../../../../agent/dataplane/h2/connection.ts'
import { clientPreface, flag, frameType, h2Error } from '../../../../../agent/dataplane/h2/frames.ts'
import { FakeClock } from '../../../../fakes/clock.ts'
import { eventually } from '../../../../support/eventually.ts'
import { connectBlock, frameBytes, type Seen, watchStream } from '../../../../support/h2-raw.ts'
import { socketPair } from '../../../../support/sockets.ts'

const connectTo = (authority: string) => [':method', 'CONNECT', ':authority', authority]
const ok = [':status', '200']
type Options = Partial<Omit<H2Options, 'clock'>>

/** Two connections of ours, back to back. */
async function pair(
  t: Parameters<typeof socketPair>[0],
  options: { client?: Options; server?: Options; hold?: boolean },
) {
  const { near, far } = await socketPair(t)
  const clock = new FakeClock()
  const client = new H2Connection(near, 'client', { ...options.client, clock })
  const server = new H2Connection(far, 'server', { ...options.server, clock })
  const accepted: Seen[] = []
  const closed: string[] = []
  server.onStream = (stream, headers) => accepted.push(watchStream(stream, headers, options.hold))
  client.onClose = reason => closed.push(`client: ${reason}`)
  server.onClose = reason => closed.push(`server: ${reason}`)
  const open = async (authority = '10.0.0.1:80') => {
    const before = accepted.length
    const stream = client.open(connectTo(authority), false)
    if (stream === undefined) throw new Error('no capacity')
    const near = watchStream(stream)
    const far = await eventually(() => {
      const seen = accepted[before]
      if (seen === undefined) throw new Error('not accepted yet')
      return seen
    })
    return { near, far }
  }
  await new Promise<void>(resolve => client.ping(() => resolve()))
  return { client, server, accepted, closed, clock, open, sockets: { near, far } }
}

async function settle(world: { client: H2Connection; server: H2Connection }): Promise<void> {
  for (let round = 0; round < 2; round += 1) {
    await new Promise<void>(resolve => world.client.ping(() => resolve()))
    await new Promise<void>(resolve => world.server.ping(() => resolve()))
  }
}

const text = (seen: Seen) => Buffer.concat(seen.data).toString()

t.test('carries a tunnel with its headers, payload and ends', async t => {
  const world = await pair(t, {})
  const { near, far } = await world.open()
  t.strictSame(far.headers, [connectTo('10.0.0.1:80')])
  far.stream.respond(ok, false)
  near.stream.write(Buffer.from('ping'))
  far.stream.write(Buffer.from('pong'))
  await eventually(() => assert.deepEqual([text(near), text(far)], ['pong', 'ping']))
  t.strictSame(near.headers, [ok])
  t.equal(world.client.openStreams, 1)
  near.stream.end()
  await eventually(() => assert.equal(far.ended, true))
  t.equal(near.ended, false, 'the other direction stays open')
  far.stream.write(Buffer.from('more'))
  far.stream.end()
  await eventually(() => assert.equal(near.ended, true))
  t.equal(text(near), 'pongmore')
  t.strictSame([world.client.openStreams, world.server.openStreams], [0, 0])
  t.strictSame([near.reset, far.reset], [undefined, undefined])
})

t.test('carries a request with a body and trailers', async t => {
  const world = await pair(t, {})
  const headers = [':method', 'POST', ':scheme', 'https', ':authority', 'a', ':path', '/', 'content-length', '4']
  const stream = world.client.open(headers, false)
  t.ok(stream)
  if (stream === undefined) return
  const near = watchStream(stream)
  stream.write(Buffer.from('body'))
  stream.respond(['x-checksum', '1'], true)
  const far = await eventually(() => {
    assert.equal(world.accepted[0]?.ended, true)
    return world.accepted[0]
  })
  t.strictSame(far?.headers, [headers, ['x-checksum', '1']])
  far?.stream.respond([':status', '103', 'link', 'x'], false)
  far?.stream.respond([':status', '204'], true)
  await eventually(() => assert.equal(near.ended, true))
  t.strictSame(near.headers, [
    [':status', '103', 'link', 'x'],
    [':status', '204'],
  ])
})

t.test('sends trailers and ends after what was written before them', async t => {
  const world = await pair(t, { server: { settings: { initialWindowSize: 1000 } } })
  const stream = world.client.open([':method', 'POST', ':scheme', 'http', ':path', '/'], false)
  if (stream === undefined) throw new Error('no capacity')
  t.equal(stream.write(Buffer.alloc(50_000, 1)), false)
  stream.respond(['x-last', '1'], true)
  await eventually(() => assert.equal(world.accepted[0]?.ended, true))
  t.equal(Buffer.concat(world.accepted[0]?.data ?? []).length, 50_000)
  t.strictSame(world.accepted[0]?.headers[1], ['x-last', '1'])
})

t.test('carries megabytes both ways at once and unharmed', async t => {
  const world = await pair(t, {})
  const { near, far } = await world.open()
  far.stream.respond(ok, false)
  const bytes = Buffer.from(Uint8Array.from({ length: 3_000_000 }, (_, index) => (index * 7919) >>> 3))
  for (const { stream } of [near, far]) {
    let at = 0
    const more = () => {
      while (at < bytes.length) {
        const size = Math.min(bytes.length - at, 1 + ((at * 31) % 90_000))
        at += size
        if (!stream.write(bytes.subarray(at - size, at))) return
      }
      stream.end()
    }
    stream.onDrain = more
    more()
  }
  await eventually(() => assert.deepEqual([near.ended, far.ended], [true, true]))
  t.ok(Buffer.concat(near.data).equals(bytes))
  t.ok(Buffer.concat(far.data).equals(bytes))
})

t.test('holds back when the reader does not consume, and goes on when it does', async t => {
  const world = await pair(t, { server: { settings: { initialWindowSize: 100_000 } }, hold: true })
  const { near, far } = await world.open()
  let accepted = 0
  const chunk = Buffer.alloc(16_384)
  while (near.stream.write(chunk)) accepted += chunk.length
  t.ok(accepted <= 100_000, `write took ${accepted} bytes before it said stop`)
  await settle(world)
  t.equal(Buffer.concat(far.data).length, 100_000, 'the window and not a byte more')
  t.equal(near.drains, 0)
  far.stream.consumed(100_000)
  await eventually(() => assert.equal(near.drains, 1))
  await settle(world)
  t.equal(Buffer.concat(far.data).length, accepted + chunk.length)
})

t.test('a stream nobody reads holds up only itself', async t => {
  const world = await pair(t, { server: { settings: { initialWindowSize: 65_535 } }, hold: true })
  const stuck = await world.open()
  const lively = await world.open()
  stuck.near.stream.write(Buffer.alloc(200_000))
  lively.near.stream.write(Buffer.from('hello'))
  await eventually(() => assert.equal(text(lively.far), 'hello'))
  t.equal(Buffer.concat(stuck.far.data).length, 65_535)
})

t.test('lets streams take turns', async t => {
  const world = await pair(t, {})
  const streams = [await world.open(), await world.open()]
  const order: number[] = []
  for (const [index, { far }] of streams.entries()) {
    far.stream.onData = chunk => {
      far.stream.consumed(chunk.length)
      if (order.at(-1) !== index) order.push(index)
    }
  }
  for (const { near } of streams) near.stream.write(Buffer.alloc(2_000_000))
  await eventually(() => assert.ok(order.length >= 10, `streams alternated ${order.length} times`))
})

t.test('resets travel both ways, once, and free the stream', async t => {
  const world = await pair(t, {})
  const first = await world.open()
  first.near.stream.reset(h2Error.cancel)
  t.match(first.near.reset, { code: h2Error.cancel, reason: 'reset by this side' })
  await eventually(() =>
    assert.partialDeepStrictEqual(first.far.reset, { code: h2Error.cancel, reason: 'reset by the peer' }),
  )
  const second = await world.open()
  second.far.stream.reset(h2Error.connect)
  await eventually(() => assert.partialDeepStrictEqual(second.near.reset, { code: h2Error.connect }))
  t.strictSame([world.client.openStreams, world.server.openStreams], [0, 0])
  t.equal(second.near.stream.write(Buffer.from('late')), false)
  second.near.stream.end()
  second.near.stream.respond(ok, true)
  second.near.stream.reset(h2Error.cancel)
  await settle(world)
  t.strictSame(world.closed, [], 'calls on a stream that is over harm nothing')
})

t.test('gives the connection window back for streams that were reset unread', async t => {
  const settings = { initialWindowSize: 60_000, connectionWindow: 65_535 }
  const world = await pair(t, { server: { settings }, hold: true })
  for (let round = 0; round < 10; round += 1) {
    const { near, far } = await world.open()
    near.stream.write(Buffer.alloc(60_000))
    await eventually(() => assert.equal(Buffer.concat(far.data).length, 60_000, `round ${round}`))
    far.stream.reset(h2Error.cancel)
    await eventually(() => assert.ok(near.reset))
  }
})

t.test('takes what is consumed after the end of the stream for the connection', async t => {
  const settings = { initialWindowSize: 60_000, connectionWindow: 65_535 }
  const world = await pair(t, { server: { settings }, hold: true })
  for (let round = 0; round < 5; round += 1) {
    const { near, far } = await world.open()
    near.stream.write(Buffer.alloc(60_000))
    near.stream.end()
    far.stream.respond(ok, true)
    await eventually(() => assert.equal(far.ended, true, `round ${round}`))
    t.equal(Buffer.concat(far.data).length, 60_000)
    far.stream.consumed(60_000)
    far.stream.consumed(60_000)
  }
})

t.test('opens no more streams than both sides want', async t => {
  const world = await pair(t, { client: { maxConcurrentStreams: 5 }, server: { maxConcurrentStreams: 3 } })
  const opened = [await world.open(), await world.open(), await world.open()]
  t.equal(world.client.availableStreams, 0)
  t.equal(world.client.canOpen(), false)
  t.equal(world.client.open(connectTo('a:1'), false), undefined)
  opened[0]?.near.stream.reset(h2Error.cancel)
  t.equal(world.client.availableStreams, 1)
  await world.open()
})

t.test('a server opens nothing', async t => {
  const world = await pair(t, {})
  t.equal(world.server.open(connectTo('a:1'), false), undefined)
})

t.test('leaves after open streams are finished, and takes those that were under way', async t => {
  const world = await pair(t, {})
  const goaways: number[] = []
  world.client.onGoaway = code => goaways.push(code)
  const old = await world.open()
  world.server.goaway()
  const late = await world.open('10.0.0.2:80')
  await eventually(() => assert.deepEqual(goaways, [h2Error.noError]))
  t.equal(world.client.canOpen(), false)
  await settle(world)
  t.strictSame(world.closed, [], 'streams are open')
  for (const { near, far } of [old, late]) {
    near.stream.end()
    far.stream.respond(ok, true)
  }
  await eventually(() => assert.equal(world.closed.length, 2))
  t.strictSame([old.near.reset, late.near.reset], [undefined, undefined])
})

t.test('a client that leaves closes when its streams are finished', async t => {
  const world = await pair(t, {})
  const { near, far } = await world.open()
  world.client.goaway()
  t.equal(world.client.open(connectTo('a:1'), false), undefined)
  near.stream.end()
  far.stream.respond(ok, true)
  await eventually(() => assert.equal(world.closed.length, 2))
})

t.test('tells every stream and then the owner, once, when the connection is lost', async t => {
  const world = await pair(t, {})
  const streams = [await world.open(), await world.open()]
  const rtts: (number | undefined)[] = []
  world.sockets.far.pause()
  world.client.ping(rtt => rtts.push(rtt))
  world.sockets.near.destroy()
  await eventually(() => assert.equal(world.closed.length, 2))
  for (const { near, far } of streams) t.match([near.reset, far.reset], [{ code: Number }, { code: Number }])
  t.strictSame(rtts, [undefined], 'a ping without an answer ends too')
  world.client.destroy('again')
  world.client.goaway()
  world.client.ping(rtt => rtts.push(rtt))
  t.strictSame(rtts, [undefined, undefined])
  t.equal(world.closed.length, 2)
  t.equal(world.client.canOpen(), false)
})

t.test('measures a round trip', async t => {
  const world = await pair(t, {})
  const rtt = await new Promise<number | undefined>(resolve => world.client.ping(resolve))
  t.equal(rtt, 0, 'the clock stands still')
})

t.test('closes when the peer goes silent while streams are open', async t => {
  const world = await pair(t, { server: { keepalive: false } })
  await world.open()
  await settle(world)
  world.sockets.far.pause()
  await world.clock.advance(45_000)
  t.strictSame(world.closed, ['client: the peer does not answer'])
})

t.test('leaves no timer behind', async t => {
  const world = await pair(t, {})
  world.client.destroy('done')
  world.server.destroy('done')
  t.equal(world.clock.pending, 0)
})

t.test('a goodbye waits for a slow reader of the last stream', async t => {
  const pending: (() => void)[] = []
  const written: Buffer[] = []
  const socket = new Duplex({
    read() {},
    write(chunk, _, done) {
      written.push(Buffer.from(chunk))
      pending.push(done)
    },
  })
  const clock = new FakeClock()
  const closed: string[] = []
  const connection = new H2Connection(socket, 'server', { clock, keepalive: false })
  connection.onClose = reason => closed.push(reason)
  connection.onStream = stream => {
    stream.respond(ok, false)
    stream.write(Buffer.from('the last words'))
    stream.end()
  }
  const headers = frameBytes(frameType.headers, flag.endHeaders | flag.endStream, 1, connectBlock)
  const settings = frameBytes(frameType.settings, 0, 0)
  const acknowledgement = frameBytes(frameType.settings, flag.ack, 0)
  socket.push(Buffer.concat([Buffer.from(clientPreface), settings, acknowledgement, headers]))
  await clock.advance(0)
  connection.goaway(h2Error.enhanceYourCalm)
  t.strictSame(closed, ['going away'], 'the stream is over as far as we are concerned')
  await clock.advance(29_000)
  t.equal(socket.destroyed, false, 'the socket has not taken everything yet')
  while (pending.length > 0) {
    pending.shift()?.()
    await clock.advance(0)
  }
  t.ok(Buffer.concat(written).includes('the last words'))
  t.equal(socket.writableFinished, true)
  await clock.advance(1_000)
  t.equal(socket.destroyed, true, 'but it does not wait for ever')
})
