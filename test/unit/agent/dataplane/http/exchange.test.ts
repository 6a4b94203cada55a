import { createServer, request as httpRequest } from 'node:http'
import t from 'tap'
import { aMeshedPair } from '../../../../support/data-threads.ts'

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
