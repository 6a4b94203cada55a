import t from 'tap'
import { h2Error } from '../../../../../agent/dataplane/h2/frames.ts'
import { until } from '../../../../support/eventually.ts'
import { bodyOf, codecServer } from '../../../../support/http1-pair.ts'

const get = 'GET /a HTTP/1.1\r\nHost: web\r\n\r\n'
const post = (fields: string, body = '') => `POST /p HTTP/1.1\r\nHost: web\r\n${fields}\r\n${body}`
const chunked = 'Transfer-Encoding: chunked\r\n'

/** Takes requests and leaves the answer to the test. */
const later = () => {}

t.test('answers a client that has closed its side after the request', async t => {
  const { client, seen } = await codecServer(t, later)
  const peer = await client()
  peer.socket.end(get)
  await until('the request', () => seen.length === 1)
  seen[0]!.stream.respond([':status', '200'], false)
  seen[0]!.stream.write(Buffer.from('hello'))
  seen[0]!.stream.end()
  t.match(await peer.end(), /\r\n\r\n5\r\nhello\r\n0\r\n\r\n$/)
  t.equal(seen[0]!.reset, undefined)
})

t.test('answers all requests that came before a client closed its side', async t => {
  const { client, seen } = await codecServer(t, later)
  const peer = await client()
  peer.socket.end(get + get + get)
  for (let index = 0; index < 3; index += 1) {
    await until('the request', () => seen.length === index + 1)
    seen[index]!.stream.respond([':status', '200', 'x-n', String(index)], true)
  }
  t.match(await peer.end(), /x-n: 0\r\n.*x-n: 1\r\n.*x-n: 2\r\n/s)
})

t.test('tells of a client that breaks off, wherever the exchange stands', async t => {
  const { client, seen } = await codecServer(t, later)
  for (const bytes of [get, post('Content-Length: 5\r\n', 'he'), post(chunked, '5\r\nhel')]) {
    const peer = await client()
    const before = seen.length
    peer.send(bytes)
    await until('the request', () => seen.length > before)
    peer.socket.resetAndDestroy()
    await until('the reset', () => seen[before]!.reset !== undefined)
    t.equal(seen[before]!.reset?.code, h2Error.cancel)
    t.equal(seen[before]!.ended, bytes === get)
  }
})

t.test('a client that closes in the middle of its body never ends it', async t => {
  const { client, seen, closed } = await codecServer(t, later)
  for (const bytes of [
    post('Content-Length: 5\r\n', 'he'),
    post(chunked, '5\r\nhello\r\n'),
    post(chunked, '5\r\nhello\r\n0\r\n'),
  ]) {
    const peer = await client()
    const before = seen.length
    peer.socket.end(bytes)
    await until('the reset', () => seen[before]?.reset !== undefined)
    t.equal(seen[before]!.ended, false)
    await peer.end()
    t.equal(peer.text(), '')
  }
  t.equal(closed.length, 3)
})

t.test('a bad chunk is answered with 400 before the response, and breaks it off afterwards', async t => {
  const { client, seen } = await codecServer(t, later)
  const early = await client()
  early.send(post(chunked, '5\r\nhelloXX'))
  t.match(await early.end(), /^HTTP\/1\.1 400 Bad Request\r\n.*connection: close\r\n.*a chunk is not as long/s)
  t.equal(seen[0]!.reset?.code, h2Error.protocol)
  t.equal(bodyOf(seen[0]!), 'hello')
  const late = await client()
  late.send(post(chunked, '5\r\nhello\r\n'))
  await until('the request', () => seen.length === 2)
  seen[1]!.stream.respond([':status', '200'], false)
  seen[1]!.stream.write(Buffer.from('part'))
  await late.expect('part')
  late.send('XX')
  await until('the reset', () => late.lost !== undefined || late.ended)
  t.notMatch(late.text(), /0\r\n\r\n$/)
  t.equal(seen[1]!.reset?.code, h2Error.protocol)
})

t.test('a response that is broken off has no clean end', async t => {
  for (const fields of [[], ['content-length', '10']]) {
    const { client, seen } = await codecServer(t, later)
    const peer = await client()
    peer.send(get)
    await until('the request', () => seen.length === 1)
    seen[0]!.stream.respond([':status', '200', ...fields], false)
    seen[0]!.stream.write(Buffer.from('part'))
    await peer.expect('part')
    seen[0]!.stream.reset(h2Error.internal)
    await until('the reset', () => peer.lost !== undefined)
    t.match(peer.lost, /ECONNRESET/)
    t.notMatch(peer.text(), /0\r\n\r\n$/)
    t.strictSame(seen[0]!.reset, { code: h2Error.internal, reason: 'reset by this side' })
  }
})

t.test('more or less payload than its content-length breaks a response off', async t => {
  const { client, seen } = await codecServer(t, ({ stream }, index) => {
    stream.respond([':status', '200', 'Content-Length', '4'], false)
    stream.write(Buffer.from(index === 0 ? 'abcde' : 'abc'))
    stream.end()
  })
  for (const index of [0, 1]) {
    const peer = await client()
    peer.send(get)
    await until('the end', () => peer.ended)
    t.ok(seen[index]!.reset?.reason.includes('payload than its content-length'))
  }
})

t.test('a response that cannot be written is not', async t => {
  const lists = [
    [':status', '200', 'x-a', 'a\r\nx-b: c'],
    [':status', '200', 'x-a\r\n', 'a'],
    [':status', '200', 'x-a', 'Č'],
    [':status', '200', '', 'a'],
    [':status', '200', 'content-length', '5, 5'],
    [':status', '101', 'upgrade', 'websocket'],
    [':status', '999'],
    [':status', 'x'],
  ]
  const { client, seen } = await codecServer(t, ({ stream }, index) => stream.respond(lists[index]!, true))
  for (const [index] of lists.entries()) {
    const peer = await client()
    peer.send(get)
    await until('the end', () => peer.ended)
    t.equal(peer.text(), '')
    t.equal(seen[index]!.reset?.code, h2Error.internal)
  }
})

t.test('what belongs to a connection is never taken from a response', async t => {
  const { client } = await codecServer(t, ({ stream }) => {
    const fields = [
      'Connection',
      'upgrade',
      'Transfer-Encoding',
      'gzip',
      'Keep-Alive',
      'x',
      'Upgrade',
      'h2c',
      'X-A',
      'b',
    ]
    stream.respond([':status', '200', ...fields, 'proxy-authenticate', 'x', 'host', 'x', 'trailer', 'x'], true)
  })
  const peer = await client()
  peer.send(get)
  t.equal(await peer.expect('\r\n\r\n'), 'HTTP/1.1 200 OK\r\nX-A: b\r\ncontent-length: 0\r\n\r\n')
})

t.test('HEAD, 204 and 304 have no body, whatever is written', async t => {
  const { client } = await codecServer(t, ({ stream, headers }) => {
    const path = headers[0]?.[7] ?? ''
    stream.respond([':status', path.slice(1, 4), 'content-length', '4'], false)
    stream.write(Buffer.from('body'))
    stream.end()
  })
  const peer = await client()
  const ask = (method: string, path: string) => peer.send(`${method} ${path} HTTP/1.1\r\nHost: web\r\n\r\n`)
  ask('HEAD', '/200')
  ask('GET', '/304')
  ask('GET', '/204')
  ask('GET', '/200')
  t.equal(
    await peer.expect('body'),
    'HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nHTTP/1.1 304 Not Modified\r\ncontent-length: 4\r\n\r\n' +
      'HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbody',
  )
})

t.test('HTTP/1.0 clients get no chunks, and keep a connection only when they ask', async t => {
  const { client, seen } = await codecServer(t, ({ stream }, index) => {
    stream.respond([':status', '103', 'link', '</a>'], false)
    stream.respond(index === 1 ? [':status', '200', 'content-length', '5'] : [':status', '200'], false)
    stream.write(Buffer.from('hello'))
    stream.end()
  })
  const closing = await client()
  closing.send('GET / HTTP/1.0\r\n\r\n')
  t.equal(await closing.end(), 'HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello')
  t.equal(seen[0]!.stream.protocol, 'HTTP/1.0')
  const keeping = await client()
  keeping.send('GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n')
  t.equal(await keeping.expect('hello'), 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: keep-alive\r\n\r\nhello')
  keeping.send('GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n')
  t.match(await keeping.end(), /HTTP\/1.1 200 OK\r\nconnection: close\r\n\r\nhello$/)
})

t.test('goaway finishes the exchange under way, says so, and closes', async t => {
  const { client, seen, connections, closed } = await codecServer(t, later)
  const [busy, idle] = [await client(), await client()]
  busy.send(get)
  await until('both', () => seen.length === 1 && connections.length === 2)
  for (const connection of connections) connection.goaway()
  t.equal(await idle.end(), '')
  t.equal(closed.length, 1)
  seen[0]!.stream.respond([':status', '200'], true)
  t.equal(await busy.end(), 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n')
  t.equal(seen[0]!.reset, undefined)
})

t.test('destroy resets the exchange, and tells of the end once and last', async t => {
  const { client, seen, connections, closed } = await codecServer(t, later)
  const peer = await client()
  peer.send(get)
  await until('the request', () => seen.length === 1)
  const [connection] = connections
  seen[0]!.stream.onReset = (code, reason) => {
    t.strictSame([code, reason, closed.length], [h2Error.internal, 'enough', 0])
  }
  t.equal(connection!.openStreams, 1)
  connection!.destroy('enough')
  connection!.destroy('again')
  t.equal(connection!.openStreams, 0)
  await until('the end', () => peer.ended)
  t.strictSame(closed, ['enough'])
})

t.test('a refusal tells what is known of its own request, and nothing of the one before', async t => {
  const refused: readonly (readonly [string, readonly string[]])[] = [
    ['GET /b HTTP/1.1\r\nHost: other\r\nHost: x\r\n\r\n', ['host', 'GET', '/b', 'other']],
    ['GET /b HTTP/1.1\r\nHost : other\r\n\r\n', ['field-name', 'GET', '/b', '']],
    ['GET /a HTTP/1.1\r\nX-A\r\n\r\n', ['field-name', 'GET', '/a', '']],
    ['nonsense\r\n', ['start-line', '', '', '']],
    ['GET /\n', ['line-end', '', '', '']],
    ['CONNECT web:80 HTTP/1.1\r\n\r\n', ['method', 'CONNECT', '', '']],
    [`GET /${'a'.repeat(20_000)}`, ['start-line-size', '', '', '']],
  ]
  for (const [bytes, wanted] of refused) {
    const { client, problems } = await codecServer(t, ({ stream }) => stream.respond([':status', '200'], true))
    const peer = await client()
    peer.send(get)
    await peer.expect('200 OK')
    peer.send(bytes)
    await peer.end()
    t.strictSame(
      problems.map(({ code, method, path, authority }) => [code, method, path, authority]),
      [wanted],
    )
  }
})

t.test('a stream that is reset while it is told of something is told of nothing more', async t => {
  const trailers = { requestTrailers: new Set(['x-sum']) }
  const { client, seen, closed } = await codecServer(
    t,
    ({ stream }) => {
      stream.onHeaders = () => stream.reset(h2Error.cancel)
    },
    trailers,
  )
  const peer = await client()
  peer.send(post(chunked, '1\r\na\r\n0\r\nx-sum: 1\r\n\r\n'))
  await until('the end', () => peer.ended)
  t.equal(seen[0]!.ended, false)
  t.equal(closed.length, 1)
  const upgrade = 'GET / HTTP/1.1\r\nHost: web\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n'
  const other = await codecServer(t, ({ stream }) => {
    stream.onEnd = () => stream.reset(h2Error.cancel)
    stream.respond([':status', '403'], true)
  })
  const second = await other.client()
  second.send(upgrade)
  await until('the end', () => second.ended)
  t.equal(other.seen[0]!.reset?.code, h2Error.cancel)
  t.equal(other.closed.length, 1)
})
