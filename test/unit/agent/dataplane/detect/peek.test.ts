import type { Socket } from 'node:net'
import t, { type Test } from 'tap'
import { type Peeked, peek, silentMs } from '../../../../../agent/dataplane/detect/peek.ts'
import { H2Connection } from '../../../../../agent/dataplane/h2/connection.ts'
import { clientPreface } from '../../../../../agent/dataplane/h2/frames.ts'
import { systemClock } from '../../../../../mesh/std/clock.ts'
import { FakeClock } from '../../../../fakes/clock.ts'
import { eventually, until } from '../../../../support/eventually.ts'
import { socketPair } from '../../../../support/sockets.ts'

async function setup(t: Test, timeoutMs = 5_000) {
  const { near, far } = await socketPair(t)
  const clock = new FakeClock()
  const results: Peeked[] = []
  const pending = peek(far, clock, timeoutMs, peeked => results.push(peeked))
  return { client: near, server: far, clock, results, pending }
}

/** Everything that a socket brings from now on. */
function readAll(socket: Socket) {
  const seen = { text: '', ended: false }
  socket.on('data', chunk => {
    seen.text += chunk.toString('latin1')
  })
  socket.on('end', () => {
    seen.ended = true
  })
  return seen
}

t.test('tells the protocol, and whoever reads next gets every byte', async t => {
  const { client, server, results, clock } = await setup(t)
  client.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  await until('it is told', () => results.length === 1)
  t.strictSame(results, [{ protocol: 'http1', hello: undefined, by: 'bytes' }])
  t.equal(clock.pending, 0)
  const seen = readAll(server)
  client.write('more')
  client.end()
  await until('the end has come', () => seen.ended)
  t.equal(seen.text, 'GET / HTTP/1.1\r\nhost: a\r\n\r\nmore')
})

t.test('waits for bytes that drip in', async t => {
  const { client, server, results } = await setup(t)
  for (const byte of 'POST') {
    const { bytesRead } = server
    client.write(byte)
    await until('it was read', () => server.bytesRead > bytesRead)
  }
  t.equal(results.length, 0)
  client.write(' /x')
  await until('it is told', () => results.length === 1)
  t.match(results, [{ protocol: 'http1' }])
  const seen = readAll(server)
  await until('all has come', () => seen.text === 'POST /x')
})

t.test('a client that is silent is other after the timeout, and its later bytes are not lost', async t => {
  const { client, server, results, clock } = await setup(t)
  await clock.advance(4_999)
  t.equal(results.length, 0)
  await clock.advance(1)
  await until('it is told', () => results.length === 1)
  t.strictSame(results, [{ protocol: 'other', hello: undefined, by: 'timeout' }])
  const seen = readAll(server)
  client.write('QUIT\r\n')
  await until('it has come', () => seen.text === 'QUIT\r\n')
})

t.test('a client that stops in the middle of a word is other after the timeout, with the word', async t => {
  const { client, server, results, clock } = await setup(t)
  client.write('HEL')
  await until('it was read', () => server.bytesRead === 3)
  await clock.advance(5_000)
  await until('it is told', () => results.length === 1)
  const seen = readAll(server)
  await until('the word has come', () => seen.text === 'HEL')
})

t.test('a client that ends before it can be told is other at once, and the end is not lost', async t => {
  for (const first of ['x', 'GE']) {
    for (const together of [true, false]) {
      const { client, server, results } = await setup(t, silentMs)
      if (together) client.end(first)
      else {
        if (first !== '') client.write(first)
        await eventually(() => {
          if (server.bytesRead < first.length) throw new Error('not read')
        })
        client.end()
      }
      await until('it is told', () => results.length === 1)
      t.match(results, [{ protocol: 'other', by: 'end' }])
      const seen = readAll(server)
      await until('the end has come', () => seen.ended)
      t.equal(seen.text, first)
      server.destroy()
    }
  }
})

t.test('a client that ends without a byte is told apart: there is nothing to serve', async t => {
  const { client, results } = await setup(t, silentMs)
  client.end()
  await until('it is told', () => results.length === 1)
  t.match(results, [{ protocol: 'other', by: 'nothing' }])
})

t.test('a client that is lost is told once', async t => {
  const { client, results } = await setup(t, silentMs)
  client.resetAndDestroy()
  await until('it is told', () => results.length === 1)
  t.match(results, [{ protocol: 'other', by: 'nothing' }])
})

t.test('after a cancel nothing is told, and no timer runs', async t => {
  const { client, server, results, clock, pending } = await setup(t)
  pending.cancel()
  pending.cancel()
  t.equal(clock.pending, 0)
  const seen = readAll(server)
  client.end('GET / HTTP/1.1\r\n')
  await until('the end has come', () => seen.ended)
  t.equal(seen.text, 'GET / HTTP/1.1\r\n')
  t.equal(results.length, 0)
})

t.test('an HTTP/2 connection begins with what was peeked', async t => {
  const { near, far } = await socketPair(t)
  const requests: string[] = []
  peek(far, systemClock, silentMs, peeked => {
    t.equal(peeked.protocol, 'http2')
    const server = new H2Connection(far, 'server', { clock: systemClock })
    server.onStream = (stream, headers) => {
      requests.push(headers.join(' '))
      stream.respond([':status', '204'], true)
    }
  })
  t.ok(clientPreface.startsWith('PRI'))
  const client = new H2Connection(near, 'client', { clock: systemClock })
  t.teardown(() => client.destroy('the test is over'))
  const stream = client.open([':method', 'GET', ':scheme', 'http', ':path', '/', ':authority', 'a'], true)
  if (stream === undefined) throw new Error('no capacity')
  let status: string | undefined
  stream.onHeaders = headers => {
    status = headers[1]
  }
  await until('the answer has come', () => status === '204')
  t.equal(requests.length, 1)
})

t.test('what came while the thread was busy counts, though the time is over', async t => {
  const { near, far } = await socketPair(t)
  const results: Peeked[] = []
  peek(far, systemClock, 10, peeked => results.push(peeked))
  near.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  const until10msAreOver = performance.now() + 30
  while (performance.now() < until10msAreOver);
  await until('it is told', () => results.length === 1)
  t.strictSame(results, [{ protocol: 'http1', hello: undefined, by: 'bytes' }])
})

t.test('a client that must speak first is given up: soon when it has begun, late when it has not', async t => {
  const slow = await setup(t, silentMs)
  slow.client.write('GE')
  await until('it has come', () => slow.server.readableLength === 2)
  await slow.clock.advance(9_000)
  slow.client.write('T')
  await until('more has come', () => slow.server.readableLength === 3)
  await slow.clock.advance(999)
  t.strictSame(slow.results, [])
  await slow.clock.advance(1)
  await until('it is given up', () => slow.results.length === 1)
  t.equal(slow.results[0]?.by, 'timeout')

  const silent = await setup(t, silentMs)
  await silent.clock.advance(silentMs - 1)
  t.strictSame(silent.results, [])
  await silent.clock.advance(1)
  await until('it is given up', () => silent.results.length === 1)
})
