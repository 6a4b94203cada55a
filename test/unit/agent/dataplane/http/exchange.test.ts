import { createServer, request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import t from 'tap'
import { aMeshedPair } from '../../../../support/data-threads.ts'
import { until } from '../../../../support/eventually.ts'

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
