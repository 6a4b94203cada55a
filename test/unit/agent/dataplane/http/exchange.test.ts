import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, request as httpRequest } from 'node:http'
import { connect as connectHttp2, createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { aLocalServer, aMeshedPair } from '../../../../support/data-threads.ts'
import { until } from '../../../../support/eventually.ts'
import { routingWorld } from '../../../../support/routing-world.ts'

/** An application of the test's own: node's HTTP server on loopback. */
async function anHttpServer(
  t: { teardown(stop: () => unknown): void },
  serve: Parameters<typeof createServer>[1],
): Promise<number> {
  const server = createServer(serve)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('not bound')
  return address.port
}

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

function call(port: number, path: string, options: { method?: string; body?: string } = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(
      { port, host: '127.0.0.1', path, method: options.method ?? 'GET', headers: { Host: 'api.default.mesh' } },
      incoming => {
        const chunks: Buffer[] = []
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
        incoming.on('end', () =>
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            body: Buffer.concat(chunks).toString(),
          }),
        )
        incoming.on('error', reject)
      },
    )
    outgoing.on('error', reject)
    outgoing.end(options.body)
  })
}

t.test('carries a request and its answer over the mesh, with both bodies', async t => {
  const port = await anHttpServer(t, (incoming, outgoing) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('end', () => {
      outgoing.setHeader('X-Seen', `${incoming.method} ${incoming.url} ${incoming.headers.host}`)
      outgoing.end(`got ${Buffer.concat(chunks).toString()}; ${incoming.headers['x-forwarded-client-cert']}`)
    })
  })
  const pair = await aMeshedPair(t, port, { protocol: 'http' })
  const answer = await call(pair.outboundPort, '/x?y=1', { method: 'POST', body: 'hello' })
  t.equal(answer.status, 200)
  t.equal(answer.headers['x-seen'], 'POST /x?y=1 api.default.mesh')
  t.match(answer.body, /^got hello; By=spiffe:\/\/mesh.local\/ns\/default\/sa\/api;Hash=[0-9a-f]{64};Subject="";URI=/)
})

t.test('rules may put the name of the caller’s host into headers', async t => {
  const port = await anHttpServer(t, (incoming, outgoing) => outgoing.end(`from ${incoming.headers['x-from']}`))
  const rule = `VirtualService default/api { hosts: [api], http: [{ headers: { request: { set: { x-from: "%HOSTNAME%" } } },
    route: [{ destination: { host: api }, headers: { response: { add: { x-by: "%HOSTNAME%" } } } }] }] }`
  const { traffic } = routingWorld([], [rule])
  const pair = await aMeshedPair(t, port, { protocol: 'http', caller: config => ({ ...config, traffic }) })
  const answer = await call(pair.outboundPort, '/')
  t.same([answer.body, answer.headers['x-by']], ['from h1', 'h1'])
})

t.test('an answer that did not wait for the request ends the exchange on both sides, whatever follows', async t => {
  for (const [title, fields, then] of [
    ['the client goes away', 'Content-Length: 100000', 'close'],
    ['the client waits to be told to go on', 'Content-Length: 100000\r\nExpect: 100-continue', 'close'],
    ['the client sends the rest', 'Content-Length: 100', 'rest'],
  ] as const) {
    await t.test(title, async t => {
      const port = await anHttpServer(t, (_incoming, outgoing) => {
        outgoing.writeHead(413, { 'content-length': 0 })
        outgoing.end()
      })
      const pair = await aMeshedPair(t, port, { protocol: 'http' })
      const socket = connect(pair.outboundPort, '127.0.0.1')
      t.teardown(() => socket.destroy())
      socket.on('error', () => {})
      socket.write(`POST /x HTTP/1.1\r\nHost: api.default.mesh\r\n${fields}\r\n\r\n`)
      let heard = ''
      socket.on('data', (chunk: Buffer) => {
        heard += chunk
      })
      await until('the answer is there', () => /^HTTP\/1\.1 413 .*\r\n\r\n$/ms.test(heard))
      if (then === 'rest') socket.write('x'.repeat(100))
      else socket.destroy()
      await until('nothing is open', () =>
        [pair.caller, pair.callee].every(core => core.report().gauges.openConnections === 0),
      )
    })
  }
})

t.test('an application that answers an upload and takes no more of it has answered', async t => {
  const server = createHttp2Server()
  server.on('stream', (stream: ServerHttp2Stream) => {
    stream.on('error', () => {})
    stream.respond({ ':status': 413 }, { endStream: true })
    setImmediate(() => stream.close(0))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('not bound')
  const accessLog = { caller: join(t.testdir(), 'caller'), callee: join(t.testdirName, 'callee') }
  const pair = await aMeshedPair(t, address.port, { protocol: 'http2', accessLog })
  const session = connectHttp2(`http://127.0.0.1:${pair.outboundPort}`)
  t.teardown(() => session.destroy())
  const request = session.request({ ':method': 'POST', ':path': '/', ':authority': 'api.default.mesh' })
  const errors: Error[] = []
  request.on('error', error => errors.push(error))
  request.write('the beginning')
  const [head] = await once(request, 'response')
  t.equal(head[':status'], 413)
  request.resume()
  await once(request, 'end')
  // it hears that nobody wants the rest, or may send it
  request.end('the rest')
  await once(request, 'close')
  t.same(errors, [])
  await until('nothing is open', () =>
    [pair.caller, pair.callee].every(core => core.report().gauges.openConnections === 0),
  )
  await Promise.all([pair.caller.drain(0), pair.callee.drain(0)])
  for (const file of [accessLog.caller, accessLog.callee]) {
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
    t.equal(lines.length, 1)
    t.match(JSON.parse(lines[0] ?? ''), { response_code: 413, weft_reason: 'OK' })
  }
})

t.test('an upgrade that is not granted ends on both sides, whatever the answer is', async t => {
  for (const [title, answer] of [
    ['with a body', 'HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno\n'],
    ['without one', 'HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n'],
    ['up to the end of the connection', 'HTTP/1.1 400 Bad Request\r\n\r\nno'],
  ] as const) {
    await t.test(title, async t => {
      const port = await aLocalServer(t, socket => {
        socket.once('data', () => {
          socket.end(answer)
          socket.once('finish', () => socket.destroy())
        })
      })
      const pair = await aMeshedPair(t, port, { protocol: 'http' })
      const socket = connect(pair.outboundPort, '127.0.0.1')
      t.teardown(() => socket.destroy())
      let heard = ''
      socket.on('data', (chunk: Buffer) => {
        heard += chunk
      })
      socket.write('GET / HTTP/1.1\r\nHost: api.default.mesh\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n')
      await until('the answer is there', () => /^HTTP\/1\.1 4\d\d /.test(heard))
      await until('nothing is open', () =>
        [pair.caller, pair.callee].every(core => core.report().gauges.openConnections === 0),
      )
    })
  }
})

const granted = 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n'

t.test('an upgraded connection ends on both sides, however it ends', async t => {
  for (const [title, clientEnds, serverEnds] of [
    ['the client ends, then the server', (socket: Socket) => socket.end(), (socket: Socket) => socket.end()],
    [
      'the client ends, then the server destroys',
      (socket: Socket) => socket.end(),
      (socket: Socket) => socket.destroy(),
    ],
    ['the client goes away', (socket: Socket) => socket.destroy(), (socket: Socket) => socket.end()],
    ['the client resets', (socket: Socket) => socket.resetAndDestroy(), (socket: Socket) => socket.end()],
    ['the client says a last word', (socket: Socket) => socket.end('bye'), (socket: Socket) => socket.end('bye')],
  ] as const) {
    await t.test(title, async t => {
      const port = await aLocalServer(t, socket => {
        socket.once('data', () => {
          socket.write(granted)
          socket.resume()
          socket.once('end', () => serverEnds(socket))
        })
      })
      const pair = await aMeshedPair(t, port, { protocol: 'http' })
      const socket = connect({ port: pair.outboundPort, host: '127.0.0.1', allowHalfOpen: true })
      t.teardown(() => socket.destroy())
      let heard = ''
      socket.on('error', () => {})
      socket.on('data', (chunk: Buffer) => {
        heard += chunk
      })
      socket.write('GET / HTTP/1.1\r\nHost: api.default.mesh\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n')
      await until('the protocol is switched', () => heard.startsWith('HTTP/1.1 101 '))
      clientEnds(socket)
      await until('nothing is open', () =>
        [pair.caller, pair.callee].every(core => core.report().gauges.openConnections === 0),
      )
    })
  }
})
