import t from 'tap'
import { silentPeerCode } from '../../../../../agent/dataplane/hbone/silence.ts'
import type { HttpStream } from '../../../../../agent/dataplane/http/stream.ts'
import { FakeClock } from '../../../../fakes/clock.ts'
import { identityOf } from '../../../../support/data-threads.ts'
import { eventually, until } from '../../../../support/eventually.ts'
import {
  Asked,
  anotherMakesAgent,
  aRequestPair,
  aSilentAgent,
  getHead,
  pseudo,
} from '../../../../support/request-pair.ts'

const hello = (stream: HttpStream) => {
  stream.respond([':status', '200', 'Content-Type', 'text/plain', 'X-Served-By', 'api'], false)
  stream.write(Buffer.from('hello'))
  stream.end()
}

t.test('a request is a stream of the session, and its fields keep their case both ways', async t => {
  const { pool, target, taken } = await aRequestPair(t, hello)
  const asked = await new Asked(pool, target, getHead('X-Request-Colour', 'Red', 'x-list', 'a', 'x-list', 'b')).over()
  t.strictSame(asked.headers, [[':status', '200', 'Content-Type', 'text/plain', 'X-Served-By', 'api']])
  t.equal(asked.text, 'hello')
  t.equal(taken.length, 1)
  t.strictSame(taken[0]?.headers, [...pseudo, 'X-Request-Colour', 'Red', 'x-list', 'a', 'x-list', 'b'])
  t.equal(taken[0]?.endStream, true)
})

t.test('the receiver knows who asks, by the certificate, and for which port', async t => {
  const { pool, target, taken } = await aRequestPair(t, hello)
  await new Asked(pool, target, getHead()).over()
  await new Asked(pool, target, getHead('x', 'y')).over()
  const [first, second] = taken
  t.match(first?.from, { identity: identityOf('web'), namespace: 'default', served: identityOf('api') })
  t.match(first?.from.labels, { canonicalService: 'shop', principal: identityOf('web') })
  t.equal(first?.target.port.port, 8080)
  t.equal(first?.from, second?.from, 'one object for all requests of a caller')
})

t.test('a request over a session that is ready is opened before the call returns', async t => {
  const { pool, target } = await aRequestPair(t, hello)
  const first = new Asked(pool, target, getHead())
  t.equal(first.result, undefined, 'the handshake comes first')
  await first.over()
  const second = new Asked(pool, target, getHead())
  t.match(second.result, { kind: 'open' })
  await second.over()
  t.equal(pool.sessions, 1)
})

t.test('a request that is cancelled while the session connects is never sent', async t => {
  const { pool, target, taken } = await aRequestPair(t, hello)
  let called = false
  const pending = pool.request(target, getHead('x-who', 'cancelled'), true, () => {
    called = true
  })
  pending.cancel()
  await new Asked(pool, target, getHead('x-who', 'waits')).over()
  t.equal(called, false)
  t.match(taken, [{ headers: [...pseudo, 'x-who', 'waits'] }])
})

t.test('a body, its answer and trailers pass both ways at the same time', async t => {
  const { pool, target } = await aRequestPair(t, stream => {
    stream.respond([':status', '200'], false)
    stream.onData = chunk => {
      stream.write(Buffer.from(chunk))
      stream.consumed(chunk.length)
    }
    stream.onHeaders = trailers => stream.respond(trailers, true)
  })
  const asked = new Asked(pool, target, getHead('content-type', 'application/grpc'), false)
  await until('the stream is open', () => asked.result !== undefined)
  asked.stream.write(Buffer.from('ping'))
  await until('the echo has come', () => asked.text === 'ping')
  asked.stream.respond(['Grpc-Status', '0'], true)
  await asked.over()
  t.strictSame(asked.headers.at(-1), ['Grpc-Status', '0'])
})

t.test('an upgrade that is granted carries data both ways', async t => {
  const { pool, target } = await aRequestPair(t, stream => {
    stream.onData = chunk => {
      stream.write(Buffer.from(chunk.toString('latin1').toUpperCase()))
      stream.consumed(chunk.length)
    }
    stream.onEnd = () => stream.end()
    stream.respond([':status', '101', 'Upgrade', 'echo'], false)
  })
  const asked = new Asked(pool, target, getHead('Upgrade', 'echo', 'Content-Length', '0'), false)
  await until('the upgrade is granted', () => asked.headers.length === 1)
  t.strictSame(asked.headers[0], [':status', '101', 'Upgrade', 'echo'])
  asked.stream.write(Buffer.from('after the switch'))
  await until('data came back', () => asked.text === 'AFTER THE SWITCH')
  asked.stream.end()
  await asked.over()
  t.equal(asked.reset, undefined)
})

t.test('nobody gets a 101 that did not ask for one', async t => {
  const { pool, target } = await aRequestPair(t, stream => stream.respond([':status', '101', 'upgrade', 'x'], false))
  const asked = await new Asked(pool, target, getHead(), false).over()
  t.match(asked.reset, { reason: /malformed/ })
  t.strictSame(asked.headers, [])
})

t.test('tunnels go over the same session', async t => {
  const { pool, target } = await aRequestPair(t, hello)
  await new Asked(pool, target, getHead()).over()
  const results: unknown[] = []
  pool.open(target, [':method', 'CONNECT', ':authority', '127.0.0.9:1'], result => results.push(result))
  await until('the tunnel is answered', () => results.length > 0)
  t.match(results, [{ kind: 'failed', reason: 'CONNECT_REFUSED', detail: 'NOT_DECLARED' }])
  t.equal(pool.sessions, 1)
})

t.test('requests for what is not here are refused, with the reason', async t => {
  const cases = [
    [['x-weft-destination', '127.0.0.1:9'], '404', 'NOT_DECLARED'],
    [['x-weft-destination', '127.0.0.2:9090'], '421', /^WRONG_WORKLOAD 127\.0\.0\.2:9090 belongs to .*\/db$/],
    [['x-weft-source', 'a=b'], '400', /^BAD_REQUEST/],
    [['x-first', 'x', 'x-weft-destination', '127.0.0.1:8080'], '400', /^BAD_REQUEST/],
  ] as const
  const { pool, target, taken, state } = await aRequestPair(t, hello)
  for (const [fields, status, reason] of cases) {
    const asked = await new Asked(pool, target, [...pseudo, ...fields], false).over()
    t.equal(asked.headers[0]?.[1], status)
    t.match(asked.headers[0]?.[3], reason)
  }
  t.equal(taken.length, 0)
  t.match(state.telemetry.metrics.report().refused, [{ reason: 'NOT_DECLARED' }, { reason: 'WRONG_WORKLOAD' }])
})

t.test('a peer of another make is told apart, and serves tunnels', async t => {
  const { pool, target, mesh } = await aRequestPair(t, hello)
  const there = { ...target, port: await anotherMakesAgent(t, mesh), address: 'localhost' }
  const asked = new Asked(pool, there, getHead())
  await until('the answer is known', () => asked.result !== undefined)
  t.strictSame(asked.result, { kind: 'unsupported' })
  t.strictSame(new Asked(pool, there, getHead()).result, { kind: 'unsupported' }, 'at once, when the session is there')
  const results: unknown[] = []
  pool.open(there, [':method', 'CONNECT', ':authority', '127.0.0.1:8080'], result => results.push(result))
  await until('the tunnel is open', () => results.length > 0)
  t.match(results, [{ kind: 'open' }])
  t.equal(pool.sessions, 1)
})

t.test('a session that cannot be made fails the request, with nothing sent', async t => {
  const { pool, target } = await aRequestPair(t, hello)
  const asked = new Asked(pool, { ...target, destination: identityOf('other') }, getHead())
  await until('it failed', () => asked.result !== undefined)
  t.match(asked.result, { kind: 'failed', reason: 'PEER_IDENTITY' })
})

t.test('a goodbye of the peer leaves what is open alone, and takes the next request to another session', async t => {
  const streams: HttpStream[] = []
  const { pool, target, server } = await aRequestPair(t, stream => streams.push(stream))
  const open = new Asked(pool, target, getHead('x', '1'))
  await until('it has arrived', () => streams.length === 1)
  server.drain()
  await eventually(() => {
    if (pool.sessions > 0) throw new Error('the goodbye has not come')
  })
  new Asked(pool, target, getHead('x', '2'))
  await until('the other one has arrived', () => streams.length === 2)
  t.equal(server.sessions, 2)
  for (const stream of streams) hello(stream)
  await open.over()
  t.equal(open.text, 'hello')
})

t.test('an agent that falls silent is given up, and the next request takes another session', async t => {
  const clock = new FakeClock()
  const { pool, target, mesh } = await aRequestPair(t, hello, clock)
  const there = { ...target, port: await aSilentAgent(t, mesh), address: 'localhost' }
  const asked = new Asked(pool, there, getHead())
  await until('the request is sent', () => asked.result !== undefined)
  await clock.advance(2_900)
  t.equal(asked.reset, undefined)
  await clock.advance(700)
  t.match(asked.reset, { code: silentPeerCode, reason: /silent for 3 s/ })
  t.equal(pool.sessions, 0)
})

t.test('callers who give up at once, and many of them, do not cost the others their session', async t => {
  const { pool, target } = await aRequestPair(t, stream => {
    stream.onReset = () => {}
  })
  const first = new Asked(pool, target, getHead())
  await until('the session is there', () => first.result !== undefined)
  for (let round = 0; round < 50; round += 1) {
    for (let index = 0; index < 20; index += 1) new Asked(pool, target, getHead()).stream.reset(8)
    await new Promise(resolve => setImmediate(resolve))
  }
  let answered = false
  pool.open(target, [':method', 'CONNECT', ':authority', '127.0.0.9:1'], () => {
    answered = true
  })
  await until('the session still answers', () => answered)
  t.equal(first.reset, undefined)
  t.equal(pool.sessions, 1)
})

t.test('the largest head that is taken from an application passes, with what the mesh adds', async t => {
  const { pool, target, taken } = await aRequestPair(t, hello)
  const fields = Array.from({ length: 96 }, (_, at) => [`x-field-${at}`, `${at}`.padEnd(600, 'v')]).flat()
  const added = Array.from({ length: 20 }, (_, at) => [`x-mesh-${at}`, 'v']).flat()
  const asked = await new Asked(pool, target, getHead(...fields, ...added)).over()
  t.equal(asked.text, 'hello')
  t.strictSame(taken[0]?.headers, [...pseudo, ...fields, ...added])
})
