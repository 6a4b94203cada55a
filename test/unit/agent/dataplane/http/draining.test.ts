import { once } from 'node:events'
import { Agent, createServer, type IncomingMessage, type RequestListener, request } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { setImmediate as nextTurn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { aMeshedPair } from '../../../../support/data-threads.ts'

/** Two sides of a mesh before an application of the test's own, and a client that keeps its connection. */
async function aPair(t: Test, serve: RequestListener) {
  const server = createServer(serve)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('not bound')
  const pair = await aMeshedPair(t, address.port, { protocol: 'http' })
  const agent = new Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())
  const call = async (path: string, method = 'GET', body = '') => {
    const headers = { Host: 'api.default.mesh' }
    const outgoing = request({ agent, port: pair.outboundPort, host: '127.0.0.1', path, method, headers })
    outgoing.end(body)
    const [incoming]: [IncomingMessage] = (await once(outgoing, 'response')) as [IncomingMessage]
    return `${incoming.statusCode} ${await text(incoming)}`
  }
  return { ...pair, call }
}

t.test('a side that begins to drain serves what is on its way to it', async t => {
  const pair = await aPair(t, (_incoming, outgoing) => void outgoing.end('served'))
  t.equal(await pair.call('/first'), '200 served')
  const second = pair.call('/second')
  // the calling side has just sent it, and the called side will read it in a later turn
  while (pair.caller.report().gauges.openConnections === 0) await nextTurn()
  const drained = pair.callee.drain(10_000)
  t.equal(await second, '200 served')
  await drained
})

t.test('a request whose head was being read when the calling side began to drain is the last one', async t => {
  const pair = await aPair(t, (_incoming, outgoing) => void outgoing.end('served'))
  t.equal(await pair.call('/first'), '200 served')
  const socket = connect(pair.outboundPort, '127.0.0.1')
  t.teardown(() => socket.destroy())
  let heard = ''
  socket.on('data', (chunk: Buffer) => {
    heard += chunk
  })
  socket.write('GET / HTTP/1.1\r\nHost: api.')
  // the other connection's answer comes after these bytes were read
  t.equal(await pair.call('/second'), '200 served')
  const drained = pair.caller.drain(10_000)
  socket.write('default.mesh\r\n\r\n')
  await once(socket, 'close')
  t.match(heard, /^HTTP\/1\.1 200 OK\r\n/)
  t.match(heard, /\r\nconnection: close\r\n/i)
  await drained
})

t.test('what is not idempotent is sent to an application once, whatever becomes of its connection', async t => {
  const heard: string[] = []
  const pair = await aPair(t, (incoming, outgoing) => {
    incoming.resume()
    incoming.on('end', () => {
      heard.push(`${incoming.method} ${incoming.url}`)
      if (incoming.url === '/lost') outgoing.destroy()
      else outgoing.end('served')
    })
  })
  t.equal(await pair.call('/first'), '200 served')
  t.match(await pair.call('/lost', 'POST', 'x'), /^503 /)
  t.equal(await pair.call('/second'), '200 served')
  t.match(await pair.call('/lost', 'PUT', 'x'), /^503 /)
  t.same(heard, ['GET /first', 'POST /lost', 'GET /second', 'PUT /lost', 'PUT /lost'])
})
