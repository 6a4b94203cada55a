import { once } from 'node:events'
import http from 'node:http'
import { connect } from 'node:net'
import t from 'tap'
import { until } from '../../../../support/eventually.ts'
import { bodyOf, codecClient, codecServer, recordSocket, watchExchange } from '../../../../support/http1-pair.ts'
import { codecProxy } from '../../../../support/http1-proxy.ts'

const ask =
  'GET /chat HTTP/1.1\r\nHost: web\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n'
const list = [':method', 'GET', ':scheme', 'http', ':authority', 'web', ':path', '/', 'upgrade', 'websocket'] as const

t.test('an upgrade passes through both sides to a node:http server, with early data and half-closes', async t => {
  const server = http.createServer()
  server.on('upgrade', (_request, socket, head) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-A: b\r\n\r\n')
    socket.write(`got ${head};`)
    socket.on('data', data => socket.write(`got ${data};`))
    socket.on('end', () => socket.end('bye'))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const proxy = codecProxy((server.address() as { port: number }).port)
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  t.teardown(() => {
    server.close()
    proxy.close()
  })
  const socket = connect({ port: (proxy.address() as { port: number }).port, host: '127.0.0.1', allowHalfOpen: true })
  await once(socket, 'connect')
  const client = recordSocket(t, socket)
  client.send(`${ask}early`)
  const answer = await client.expect('got early;')
  t.match(answer, /^HTTP\/1\.1 101 Switching Protocols\r\nX-A: b\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n/)
  client.send('more')
  await client.expect('got more;')
  client.socket.end()
  t.match(await client.end(), /bye$/)
})

t.test('the request of an upgrade has no end before the answer; data waits for 101', async t => {
  const { client, seen } = await codecServer(t, () => {})
  const peer = await client()
  peer.send(`${ask}early`)
  await until('the request', () => seen.length === 1)
  const [one] = seen
  t.strictSame(one!.headers[0]?.slice(8), ['Sec-WebSocket-Key', 'x', 'upgrade', 'websocket'])
  t.equal(one!.ended, false)
  t.equal(bodyOf(one!), '')
  one!.stream.respond([':status', '101', 'upgrade', 'websocket'], false)
  one!.stream.write(Buffer.from('welcome'))
  await peer.expect('\r\n\r\nwelcome')
  await until('the early data', () => bodyOf(one!) === 'early')
  peer.socket.end()
  await until('the end', () => one!.ended)
  one!.stream.end()
  await peer.end()
})

t.test('an upgrade that is not granted ends the request, drops what came early, and closes', async t => {
  const { client, seen } = await codecServer(t, () => {})
  const peer = await client()
  peer.send(`${ask}GET /smuggled HTTP/1.1\r\nHost: web\r\n\r\n`)
  await until('the request', () => seen.length === 1)
  seen[0]!.stream.respond([':status', '403'], true)
  t.equal(await peer.end(), 'HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n')
  t.equal(seen.length, 1)
  t.equal(seen[0]!.ended, true)
  t.equal(seen[0]!.reset, undefined)
})

t.test('the client side asks for an upgrade and passes data both ways after 101', async t => {
  const { connection, server, closed } = await codecClient(t)
  const seen = watchExchange(connection.open(list, false)!)
  t.equal(
    await server.expect('\r\n\r\n'),
    'GET / HTTP/1.1\r\nhost: web\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
  )
  server.send('HTTP/1.1 101 x\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\r\nfirst')
  await until('data', () => bodyOf(seen) === 'first')
  t.strictSame(seen.headers, [[':status', '101', 'upgrade', 'WebSocket']])
  seen.stream.write(Buffer.from('second'))
  await server.expect('second')
  seen.stream.end()
  await server.end()
  t.equal(seen.ended, false)
  server.socket.end('last')
  await until('the end', () => seen.ended)
  t.equal(bodyOf(seen), 'firstlast')
  await until('closed', () => closed.length === 1)
  t.equal(connection.reusable, false)
})

t.test('data before 101 is a mistake of the caller, and breaks the exchange off', async t => {
  const { connection } = await codecClient(t)
  const seen = watchExchange(connection.open(list, false)!)
  t.equal(seen.stream.write(Buffer.from('x')), false)
  t.equal(seen.reset?.reason, 'data before the protocol was switched')
})

t.test('an upgraded connection that is lost resets the exchange', async t => {
  const { client, seen } = await codecServer(t, ({ stream }) => {
    stream.respond([':status', '101', 'upgrade', 'websocket'], false)
  })
  const peer = await client()
  peer.send(ask)
  await peer.expect('\r\n\r\n')
  peer.socket.resetAndDestroy()
  await until('the reset', () => seen[0]!.reset !== undefined)
  t.equal(seen[0]!.ended, false)
})
