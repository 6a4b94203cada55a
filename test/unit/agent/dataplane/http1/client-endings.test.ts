import t from 'tap'
import { h2Error } from '../../../../../agent/dataplane/h2/frames.ts'
import { until } from '../../../../support/eventually.ts'
import { bodyOf, codecClient, watchExchange } from '../../../../support/http1-pair.ts'

const head = (method: string, ...fields: string[]) => [
  ...[':method', method, ':scheme', 'http', ':authority', 'web', ':path', '/', ...fields],
]
const ok = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'

t.test('an idle connection that the server closes is over, without a word to anybody', async t => {
  const { connection, server, closed } = await codecClient(t)
  server.socket.end()
  await until('closed', () => closed.length === 1)
  t.equal(connection.canOpen(), false)
  t.equal(connection.open(head('GET'), true), undefined)
})

t.test('bytes that no request had asked for end the connection', async t => {
  const { connection, server, closed } = await codecClient(t)
  server.send(ok)
  await until('closed', () => closed.length === 1)
  t.strictSame(closed, ['bytes came that no request had asked for'])
  t.equal(connection.canOpen(), false)
})

t.test('a response that is there before its request was sent answers nothing', async t => {
  const { connection, server } = await codecClient(t)
  server.send(ok)
  await until('sent', () => server.socket.bytesWritten === ok.length)
  const seen = watchExchange(connection.open(head('POST'), false)!)
  connection.received(Buffer.from(ok))
  t.equal(seen.reset?.reason, 'bytes came that no request had asked for')
})

t.test('a body that is broken off by its caller has no clean end', async t => {
  for (const fields of [[], ['content-length', '10']]) {
    const { connection, server, closed } = await codecClient(t)
    const seen = watchExchange(connection.open(head('POST', ...fields), false)!)
    seen.stream.write(Buffer.from('part'))
    await server.expect('part')
    seen.stream.reset(h2Error.cancel)
    await until('the reset', () => server.lost !== undefined)
    t.match(server.lost, /ECONNRESET/)
    t.notMatch(server.text(), /0\r\n\r\n$/)
    t.strictSame(seen.reset, { code: h2Error.cancel, reason: 'reset by this side' })
    t.equal(closed.length, 1)
  }
})

t.test('more or less payload than its content-length breaks a request off', async t => {
  for (const payload of ['abcde', 'abc']) {
    const { connection, server } = await codecClient(t)
    const seen = watchExchange(connection.open(head('POST', 'Content-Length', '4'), false)!)
    seen.stream.write(Buffer.from(payload))
    seen.stream.end()
    await until('the end', () => server.ended)
    t.ok(seen.reset?.reason.includes('payload than its content-length'))
  }
})

t.test('a request that cannot be written resets its stream, and harms nothing', async t => {
  const { connection, server, closed } = await codecClient(t)
  const lists = [
    head('GET', 'x-a', 'a\r\nx-b: c'),
    head('GET', 'x a', 'b'),
    head('GET', 'x-a', 'Ċ'),
    head('POST', 'content-length', '5'),
    head('CONNECT'),
    head('GE T'),
    head(''),
    head('GET').with(7, '/a b'),
    head('GET').with(7, ''),
    head('GET').with(7, '*'),
    head('GET').with(7, '/ HTTP/1.1\r\nx: y'),
    head('GET').with(5, 'web\r\nx: y'),
  ]
  for (const list of lists) {
    const seen = watchExchange(connection.open(list, true)!)
    await until('the reset', () => seen.reset !== undefined)
    t.equal(connection.canOpen(), true)
  }
  const seen = watchExchange(connection.open(head('GET'), true)!)
  t.equal(await server.expect('\r\n\r\n'), 'GET / HTTP/1.1\r\nhost: web\r\n\r\n')
  server.send(ok)
  await until('the answer', () => seen.ended)
  t.strictSame(closed, [])
})

t.test('after a body where servers differ nothing follows on the connection', async t => {
  for (const method of ['GET', 'HEAD', 'DELETE', 'OPTIONS']) {
    const { connection, server, closed } = await codecClient(t)
    const seen = watchExchange(connection.open(head(method, 'content-length', '2'), false)!)
    t.equal(connection.reusable, false)
    seen.stream.write(Buffer.from('ab'))
    seen.stream.end()
    await server.expect('ab')
    server.send(ok)
    await until('the answer', () => seen.ended && closed.length === 1)
  }
})

t.test('a response that did not wait for its request is passed on, and is the last one', async t => {
  const { connection, server, closed } = await codecClient(t)
  const seen = watchExchange(connection.open(head('POST'), false)!)
  seen.stream.write(Buffer.from('part'))
  await server.expect('part')
  server.send(ok)
  await until('the answer', () => seen.ended)
  t.equal(connection.openStreams, 1)
  seen.stream.end()
  await until('closed', () => closed.length === 1)
  t.match(await server.end(), /0\r\n\r\n$/)
  t.equal(seen.reset, undefined)
})

t.test('a server that answers early and closes leaves the rest unsaid with NO_ERROR', async t => {
  const { connection, server } = await codecClient(t)
  const seen = watchExchange(connection.open(head('POST'), false)!)
  seen.stream.write(Buffer.from('part'))
  await server.expect('part')
  server.socket.end(ok)
  await until('the reset', () => seen.reset !== undefined)
  t.equal(seen.ended, true)
  t.equal(seen.reset?.code, h2Error.noError)
})

t.test('request and response trailers are sent and received', async t => {
  const { connection, server } = await codecClient(t)
  const seen = watchExchange(connection.open(head('POST', 'te', 'trailers'), false)!)
  seen.stream.write(Buffer.from('a'))
  seen.stream.respond(['x-sum', '1'], true)
  t.equal(
    await server.expect('x-sum: 1\r\n\r\n'),
    'POST / HTTP/1.1\r\nhost: web\r\nte: trailers\r\ntransfer-encoding: chunked\r\nconnection: te\r\n\r\n1\r\na\r\n0\r\nx-sum: 1\r\n\r\n',
  )
  server.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nGrpc-Status: 0\r\n\r\n')
  await until('the end', () => seen.ended)
  t.strictSame(seen.headers, [
    [':status', '200'],
    ['Grpc-Status', '0'],
  ])
  t.equal(connection.canOpen(), true)
})

t.test('a response that is not consumed is not read', async t => {
  const { connection, server } = await codecClient(t)
  const seen = watchExchange(connection.open(head('GET'), true)!, undefined, false, true)
  await server.expect('\r\n\r\n')
  const size = 8 << 20
  server.send(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n`)
  server.send(Buffer.alloc(size, 'x'))
  await until('much', () => bodyOf(seen).length > 65_536)
  for (let turn = 0; turn < 20; turn += 1) await new Promise(resolve => setImmediate(resolve))
  const held = bodyOf(seen).length
  t.ok(held <= 131_072, `${held} bytes`)
  let got = held
  seen.stream.onData = chunk => {
    got += chunk.length
    seen.stream.consumed(chunk.length)
  }
  seen.stream.consumed(held)
  await until('all', () => seen.ended)
  t.equal(got, size)
})

t.test('goaway lets the exchange finish, and closes', async t => {
  const { connection, server, closed, ...world } = await codecClient(t)
  const seen = watchExchange(connection.open(head('GET'), true)!)
  await server.expect('\r\n\r\n')
  connection.goaway()
  t.equal(connection.reusable, false)
  server.send(ok)
  await until('closed', () => closed.length === 1)
  t.equal(seen.ended, true)
  t.equal(world.idles, 0)
})

t.test('destroy resets the exchange before it tells of the end', async t => {
  const { connection, closed } = await codecClient(t)
  const seen = watchExchange(connection.open(head('GET'), true)!)
  connection.destroy('enough')
  t.strictSame(seen.reset, { code: h2Error.internal, reason: 'enough' })
  t.strictSame(closed, ['enough'])
})

t.test('a stream that is reset while it is told of something is told of nothing more', async t => {
  const { connection, server } = await codecClient(t)
  const seen = watchExchange(connection.open(head('POST'), false)!)
  seen.stream.onHeaders = () => seen.stream.reset(h2Error.cancel)
  seen.stream.write(Buffer.from('part'))
  await server.expect('part')
  server.send(ok)
  await until('the reset', () => seen.reset !== undefined)
  t.equal(seen.ended, false)
})
