import t from 'tap'
import { appClientOptions, appServerOptions } from '../../../../../agent/dataplane/h2/app-options.ts'
import { BlockPool } from '../../../../../agent/dataplane/h2/blocks.ts'
import { frameType, h2Error } from '../../../../../agent/dataplane/h2/frames.ts'
import type { H2Limits } from '../../../../../agent/dataplane/h2/limits.ts'
import { FakeClock } from '../../../../fakes/clock.ts'
import { block, numbers, rawClient, rawServer, settingsPayload, watchStream } from '../../../../support/h2-raw.ts'

const { data, windowUpdate } = frameType
const post = block(':method', 'POST', ':scheme', 'http', ':path', '/', ':authority', 'api')

/** A server as applications meet it, without its own clock, with a raw client. */
function appWorld(t: Parameters<typeof rawClient>[0], limits: Partial<H2Limits> = {}, peerSettings?: Buffer) {
  const { clock: _clock, ...options } = appServerOptions(new FakeClock(), new BlockPool(), limits)
  const { settings = {}, ...rest } = options
  return rawClient(t, { ...rest, settings, ...(peerSettings && { peerSettings }) })
}

t.test('a request that does not go on is reset, one that does is not', async t => {
  const { peer, clock, streams } = await appWorld(t)
  peer.headers(1, post)
  peer.headers(3, post)
  for (let minute = 0; minute < 10; minute += 1) {
    peer.send(data, 0, 3, 'x')
    await peer.settled()
    await clock.advance(60_000)
  }
  t.equal(await peer.resetCode(1), h2Error.cancel)
  t.match(streams[0]?.reset, { reason: /did not come/ })
  t.equal(streams[1]?.reset, undefined)
})

t.test('long polls and answered streams may be idle: nothing is owed', async t => {
  const { peer, clock, streams } = await appWorld(t)
  peer.headers(1, post, true)
  peer.headers(3, post)
  await peer.settled()
  streams[1]?.stream.respond([':status', '200'], false)
  await clock.advance(60 * 60_000)
  t.strictSame(
    streams.map(({ reset }) => reset),
    [undefined, undefined],
  )
})

t.test('requests of ours may be answered late', async t => {
  const { clock: _clock, settings = {}, ...options } = appClientOptions(new FakeClock(), new BlockPool())
  const { connection, peer, clock } = await rawServer(t, { ...options, settings })
  const stream = connection.open([':method', 'GET', ':scheme', 'http', ':authority', 'a', ':path', '/'], false)
  if (stream === undefined) throw new Error('no capacity')
  const seen = watchStream(stream)
  await peer.settled()
  await clock.advance(60 * 60_000)
  t.equal(seen.reset, undefined)
})

t.test('idle streams are kept for ever where nobody limits it', async t => {
  const { peer, clock, streams } = await appWorld(t, { requestIdleMs: Number.POSITIVE_INFINITY })
  peer.headers(1, post)
  await peer.settled()
  await clock.advance(24 * 60 * 60_000)
  t.equal(streams[0]?.reset, undefined)
})

t.test('a stream whose peer takes nothing is reset within a minute and a half', async t => {
  const { peer, clock, streams } = await appWorld(t, {}, settingsPayload([4, 0]))
  peer.headers(1, post)
  await peer.settled()
  streams[0]?.stream.respond([':status', '200'], false)
  streams[0]?.stream.write(Buffer.alloc(1000))
  await clock.advance(60_000)
  t.equal(streams[0]?.reset, undefined)
  await clock.advance(30_000)
  t.match(streams[0]?.reset, { code: h2Error.cancel, reason: /does not take/ })
})

t.test('a slow reader that takes a kilobyte now and then is no attacker', async t => {
  const { peer, clock, streams } = await appWorld(t, {}, settingsPayload([4, 0]))
  peer.headers(1, post)
  await peer.settled()
  streams[0]?.stream.respond([':status', '200'], false)
  streams[0]?.stream.write(Buffer.alloc(100_000))
  for (let round = 0; round < 20; round += 1) {
    peer.send(windowUpdate, 0, 1, numbers(1024))
    await peer.settled()
    await clock.advance(14_000)
  }
  t.equal(streams[0]?.reset, undefined)
})

t.test('no timer runs while no stream is open', async t => {
  const { peer, clock, streams } = await appWorld(t)
  const before = clock.pending
  peer.headers(1, post, true)
  await peer.settled()
  t.equal(clock.pending, before + 1)
  streams[0]?.stream.respond([':status', '200'], true)
  await clock.advance(20_000)
  t.equal(clock.pending, before)
})

t.test('what waits for the peer is bounded over all streams', async t => {
  const { peer, streams } = await appWorld(t, { queuedBytes: 1_000_000 }, settingsPayload([4, 0]))
  for (const id of [1, 3, 5]) peer.headers(id, post)
  await peer.settled()
  for (const { stream } of streams) {
    stream.respond([':status', '200'], false)
    t.equal(stream.write(Buffer.alloc(400_000)), false)
  }
  t.strictSame(
    streams.map(({ reset }) => reset?.code),
    [undefined, undefined, h2Error.enhanceYourCalm],
  )
  streams[0]?.stream.reset(8)
  peer.headers(7, post)
  await peer.settled()
  streams[3]?.stream.respond([':status', '200'], false)
  streams[3]?.stream.write(Buffer.alloc(400_000))
  t.equal(streams[3]?.reset, undefined, 'what a reset stream had waiting counts no more')
})

t.test('the heads of open requests are bounded, and those of closed ones forgotten', async t => {
  const { peer, streams } = await appWorld(t, { heldHeaderBytes: 500 })
  for (const id of [1, 3, 5]) peer.headers(id, post)
  t.equal(await peer.resetCode(5), h2Error.refusedStream)
  streams[0]?.stream.reset(8)
  peer.headers(7, post)
  await peer.settled()
  t.equal(streams.length, 3)
  t.equal(streams[2]?.reset, undefined)
})
