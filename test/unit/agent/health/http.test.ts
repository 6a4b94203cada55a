import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { createServer as createTcpServer, type Server } from 'node:net'
import t, { type Test } from 'tap'
import { checkHttp } from '../../../../agent/health/http.ts'
import type { ProbeCheck } from '../../../../mesh/model/probe.ts'
import { testAuthority } from '../../../support/authority.ts'
import { until } from '../../../support/eventually.ts'

type HttpCheck = Extract<ProbeCheck, { readonly kind: 'http' }>

async function listen(t: Test, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await new Promise<void>(resolve => server.once('listening', resolve))
  t.teardown(() => server.close())
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return address.port
}

function serve(t: Test, answer: RequestListener): Promise<number> {
  return listen(t, createServer(answer))
}

function ask(port: number, values: Partial<HttpCheck> = {}, signal = AbortSignal.timeout(10_000)) {
  const check: HttpCheck = { kind: 'http', scheme: 'http', port, path: '/healthz', headers: [], ...values }
  return checkHttp(check, '127.0.0.1', signal)
}

t.test('a status from 200 to 399 is healthy, and a redirect is not followed', async t => {
  const asked: string[] = []
  const port = await serve(t, (request, response) => {
    asked.push(request.url ?? '')
    response.writeHead(Number(request.url?.slice(1)), { location: '/500' }).end()
  })
  for (const [status, result] of [
    [200, { healthy: true, reason: '' }],
    [204, { healthy: true, reason: '' }],
    [302, { healthy: true, reason: '' }],
    [399, { healthy: true, reason: '' }],
    [400, { healthy: false, reason: '400 Bad Request' }],
    [503, { healthy: false, reason: '503 Service Unavailable' }],
    [599, { healthy: false, reason: '599' }],
  ] as const) {
    t.same(await ask(port, { path: `/${status}` }), result)
  }
  t.equal(asked.length, 7)
})

t.test('the request has the path, the headers that are given, and says who asks', async t => {
  const seen: Record<string, unknown>[] = []
  const port = await serve(t, (request, response) => {
    seen.push({ method: request.method, url: request.url, headers: request.headersDistinct })
    response.end()
  })
  const headers = [
    ['X-Token', 'a'],
    ['x-token', 'b'],
    ['Host', 'api.example'],
  ] as const
  await ask(port, { path: '/healthz?deep=1', headers })
  await ask(port, { headers: [['User-Agent', 'mine']] })
  t.match(seen[0], {
    method: 'GET',
    url: '/healthz?deep=1',
    headers: { 'x-token': ['a', 'b'], host: ['api.example'], 'user-agent': ['weft-probe'], connection: ['close'] },
  })
  t.match(seen[1], { headers: { 'user-agent': ['mine'], host: [`127.0.0.1:${port}`] } })
})

t.test('https is asked without verifying the certificate', async t => {
  const { issue } = testAuthority(Date.now())
  const { key, chain } = issue('spiffe://mesh.test/ns/a/sa/b', { notBefore: 0, notAfter: 1 })
  const port = await listen(
    t,
    createTlsServer({ key, cert: chain }, (_request, response) => response.end()),
  )
  t.same(await ask(port, { scheme: 'https' }), { healthy: true, reason: '' })
  t.match(await ask(port), { healthy: false }, 'plain HTTP to a TLS port')
})

t.test('an answer is not read for ever, and its status counts even when its body never ends', async t => {
  let sent = 0
  const port = await serve(t, (_request, response) => {
    const chunk = Buffer.alloc(16 * 1024)
    const more = () => {
      while (!response.destroyed && response.write(chunk)) sent += chunk.length
    }
    response.on('drain', more)
    response.on('error', () => {})
    more()
  })
  t.match(await ask(port), { healthy: true })
  t.ok(sent < 64 * 1024 * 1024)

  const slow = await serve(t, (_request, response) => void response.writeHead(500).write('because'))
  const abort = new AbortController()
  const answered = new Promise<void>(resolve => {
    const heard = () => {
      unsubscribe('http.client.response.finish', heard)
      resolve()
    }
    subscribe('http.client.response.finish', heard)
  })
  const checking = ask(slow, {}, abort.signal)
  await answered
  abort.abort()
  t.same(await checking, { healthy: false, reason: '500 Internal Server Error' })
})

t.test('what is no HTTP, what hangs up and what is not there are unhealthy in words', async t => {
  const garbage = await listen(
    t,
    createTcpServer(socket => socket.on('error', () => {}).end('SSH-2.0-OpenSSH_9.9\r\n')),
  )
  t.match(await ask(garbage), { healthy: false, reason: /Parse Error|Expected HTTP/ })
  const hangUp = await listen(
    t,
    createTcpServer(socket => socket.on('error', () => {}).once('data', () => socket.resetAndDestroy())),
  )
  t.same(await ask(hangUp), { healthy: false, reason: 'connection reset' })
  const gone = createTcpServer()
  const port = await listen(t, gone)
  await new Promise(resolve => gone.close(resolve))
  t.same(await ask(port), { healthy: false, reason: 'connection refused' })
})

t.test('a check that is given up closes its connection', async t => {
  const server = createServer(() => {})
  const port = await listen(t, server)
  const abort = new AbortController()
  const asked = once(server, 'request')
  const checking = ask(port, {}, abort.signal)
  await asked
  abort.abort()
  t.match(await checking, { healthy: false })
  const open = () =>
    new Promise<number>((resolve, reject) => server.getConnections((e, n) => (e ? reject(e) : resolve(n))))
  await until('closed', async () => (await open()) === 0)
})
