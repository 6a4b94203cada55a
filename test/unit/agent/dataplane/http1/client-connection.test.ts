import { once } from 'node:events'
import http from 'node:http'
import { connect } from 'node:net'
import t from 'tap'
import { Http1ClientConnection } from '../../../../../agent/dataplane/http1/client-connection.ts'
import { systemClock } from '../../../../../mesh/std/clock.ts'
import { until } from '../../../../support/eventually.ts'
import { bodyOf, codecClient, watchExchange } from '../../../../support/http1-pair.ts'

const get = [':method', 'GET', ':scheme', 'http', ':authority', 'web', ':path', '/a', 'X-One', '1'] as const
const post = [':method', 'POST', ':scheme', 'http', ':authority', 'web', ':path', '/b'] as const

t.test('sends one request after another and tells when it is idle', async t => {
  const world = await codecClient(t)
  const { connection, server } = world
  const seen = watchExchange(connection.open(get, true)!)
  t.equal(connection.canOpen(), false)
  t.equal(connection.openStreams, 1)
  t.equal(await server.expect('\r\n\r\n'), 'GET /a HTTP/1.1\r\nhost: web\r\nX-One: 1\r\n\r\n')
  server.send('HTTP/1.1 200 Fine\r\nX-A: b\r\ncontent-length: 3\r\n\r\nabc')
  await until('the response', () => seen.ended)
  t.strictSame(seen.headers, [[':status', '200', 'X-A', 'b', 'content-length', '3']])
  t.equal(bodyOf(seen), 'abc')
  await until('idle', () => world.idles === 1)
  t.equal(connection.canOpen() && connection.reusable, true)
  t.equal(connection.openStreams, 0)
  const second = connection.open(post, false)!
  const answer = watchExchange(second)
  second.write(Buffer.from('hello'))
  second.write(Buffer.alloc(5000, 'x'))
  second.end()
  const sent = await server.expect('0\r\n\r\n')
  t.ok(
    sent.endsWith(
      `POST /b HTTP/1.1\r\nhost: web\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n1388\r\n${'x'.repeat(5000)}\r\n0\r\n\r\n`,
    ),
  )
  server.send('HTTP/1.1 204\r\n\r\n')
  await until('the response', () => answer.ended)
  t.strictSame(answer.headers, [[':status', '204']])
  t.equal(world.idles, 2)
  t.strictSame(world.closed, [])
})

t.test('speaks to node:http servers', async t => {
  const server = http.createServer((request, response) => {
    if (request.url === '/length') response.setHeader('content-length', request.headers['x-size'] ?? '0')
    request.pipe(response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const socket = connect((server.address() as { port: number }).port, '127.0.0.1')
  await once(socket, 'connect')
  const connection = new Http1ClientConnection(socket, { clock: systemClock })
  t.teardown(() => connection.destroy('the test is over'))
  for (const path of ['/length', '/chunked']) {
    for (const size of [0, 1, 5000, 300_000]) {
      await until('idle', () => connection.canOpen())
      const body = Buffer.alloc(size, 'abcdefghijk')
      const headers = [':method', 'POST', ':scheme', 'http', ':authority', 'web', ':path', path, 'x-size', String(size)]
      const stream = connection.open(headers, false)!
      const seen = watchExchange(stream)
      stream.write(body)
      stream.end()
      await until('the response', () => seen.ended)
      t.ok(Buffer.concat(seen.data).equals(body), `${size} bytes to ${path}`)
    }
  }
})
