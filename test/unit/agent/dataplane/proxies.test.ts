import { createServer as createHttp, request as httpRequest } from 'node:http'
import { createServer as createHttp2, type ServerHttp2Stream } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import t from 'tap'
import { aConfig, aPlainEndpoint, aService, aWorkload, opaquePorts } from '../../../support/agent-config.ts'
import {
  aLocalServer,
  aMeshedPair,
  aThread,
  aTrustedMesh,
  exchange,
  identityOf,
} from '../../../support/data-threads.ts'
import { routingWorld } from '../../../support/routing-world.ts'

type Teardown = { teardown(stop: () => unknown): void }

/** A caller of the service `api`, whose one endpoint is outside the mesh at this port of this host. */
async function callerOf(t: Teardown, port: number, policy: string, protocol: 'tcp' | 'http' = 'tcp') {
  const thread = await aThread(
    t,
    { kind: 'outbound', identity: identityOf('web') },
    { originalDst: { address: '240.240.0.1', port: 80 } },
  )
  const endpoint = aPlainEndpoint({ address: '127.0.0.1', ports: { http: port } })
  const rule = `DestinationRule default/api { host: api, trafficPolicy: { ${policy} } }`
  thread.core.config(
    aConfig({
      workloads: [aWorkload()],
      services: [aService({ endpoints: [endpoint], ports: [{ name: 'http', port: 80, protocol }] })],
      traffic: routingWorld([], policy === '' ? [] : [rule]).traffic,
    }),
  )
  return thread
}

async function listening(t: Teardown, server: ReturnType<typeof createHttp> | ReturnType<typeof createHttp2>) {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('not bound')
  return address.port
}

/** A proxy of HTTP/1.1 that carries every tunnel to `port`, and what it was asked. */
async function aProxy(t: Teardown, port: number) {
  const asked: string[] = []
  const server = createHttp((incoming, outgoing) => {
    asked.push(`${incoming.method} ${incoming.url} ${incoming.headers.host}`)
    outgoing.flushHeaders()
    const far = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    incoming.pipe(far)
    far.pipe(outgoing)
  })
  server.on('connect', (incoming, socket: Socket, head: Buffer) => {
    socket.on('error', () => {})
    asked.push(`${incoming.method} ${incoming.url} ${incoming.headers.host}`)
    if (incoming.url?.startsWith('closed') === true) return void socket.end('HTTP/1.1 403 Forbidden\r\n\r\n')
    const far = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    socket.write('HTTP/1.1 200 Connection established\r\ncontent-length: 7\r\n\r\n')
    far.write(head)
    socket.pipe(far)
    far.pipe(socket)
  })
  return { port: await listening(t, server), asked }
}

const echo = (socket: Socket) => socket.pipe(socket)

t.test('bytes go through a proxy by CONNECT, half-closes and all', async t => {
  const proxy = await aProxy(t, await aLocalServer(t, echo))
  const caller = await callerOf(t, proxy.port, 'tunnel: { targetHost: vault.example, targetPort: 8200 }')
  t.same(await exchange(caller.port, 'hello'), { text: 'hello' })
  const large = 'x'.repeat(1024 * 1024)
  const { text, error } = await exchange(caller.port, large)
  t.same([text.length, error], [large.length, undefined])
  t.same(proxy.asked, new Array(2).fill('CONNECT vault.example:8200 vault.example:8200'))
})

t.test('or as the bodies of a POST', async t => {
  const proxy = await aProxy(t, await aLocalServer(t, echo))
  const caller = await callerOf(t, proxy.port, 'tunnel: { protocol: POST, targetHost: "fd00::1", targetPort: 1 }')
  t.same(await exchange(caller.port, 'hello'), { text: 'hello' })
  t.same(proxy.asked, ['POST / [fd00::1]:1'])
})

t.test('or by HTTP/2, where the proxy declares it', async t => {
  const server = createHttp2()
  const asked: unknown[] = []
  let sessions = 0
  server.on('session', () => {
    sessions += 1
  })
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    asked.push([headers[':method'], headers[':authority']])
    stream.respond({ ':status': 200 })
    stream.pipe(stream)
  })
  const port = await listening(t, server)
  const caller = await callerOf(t, port, '')
  const ports = [{ name: 'http', port: 80, protocol: 'http2' }] as const
  const endpoint = aPlainEndpoint({ address: '127.0.0.1', ports: { http: port } })
  const proxy = aService({ name: 'proxy', hosts: ['proxy.default.mesh'], virtualIps: [], ports, endpoints: [endpoint] })
  const through = 'VirtualService default/api { hosts: [api], tcp: [{ route: [{ destination: { host: proxy } }] }] }'
  const rule = `DestinationRule default/proxy { host: proxy, trafficPolicy:
    { tunnel: { targetHost: a.example, targetPort: 443 } } }`
  const services = [aService({ ports: opaquePorts }), proxy]
  const traffic = routingWorld([], [through, rule]).traffic
  caller.core.config(aConfig({ workloads: [aWorkload()], services, traffic }))
  t.same(await Promise.all([exchange(caller.port, 'one'), exchange(caller.port, 'two')]), [
    { text: 'one' },
    { text: 'two' },
  ])
  t.same(asked, [
    ['CONNECT', 'a.example:443'],
    ['CONNECT', 'a.example:443'],
  ])
  t.equal(sessions, 1)
})

t.test('what the proxy refuses is refused, by its status', async t => {
  const proxy = await aProxy(t, 1)
  const caller = await callerOf(t, proxy.port, 'tunnel: { targetHost: closed.example, targetPort: 443 }')
  t.same(await exchange(caller.port, 'hello'), { text: '', error: 'ECONNRESET' })
  t.match(caller.core.report().refused, [{ reason: 'CONNECT_REFUSED', count: 1 }])
  t.equal(proxy.asked.length, 1, 'it is asked once')
})

t.test('a proxy that does not answer is given up in time', async t => {
  const silent = await aLocalServer(t, socket => socket.resume())
  const policy = 'tunnel: { targetHost: a.example, targetPort: 443 }, connectionPool: { tcp: { connectTimeout: 50ms } }'
  const caller = await callerOf(t, silent, policy)
  t.same(await exchange(caller.port, 'hello'), { text: '', error: 'ECONNRESET' })
  t.match(caller.core.report().refused, [{ reason: 'UPSTREAM_CONNECT' }])
})

t.test('a proxy in the mesh is asked behind its agent', async t => {
  const proxy = await aProxy(t, await aLocalServer(t, echo))
  const rule = `DestinationRule default/api { host: api, trafficPolicy:
    { tunnel: { targetHost: vault.example, targetPort: 443 } } }`
  const pair = await aMeshedPair(t, proxy.port, {
    caller: config => ({ ...config, traffic: routingWorld([], [rule]).traffic }),
  })
  t.same(await exchange(pair.outboundPort, 'hello'), { text: 'hello' })
  t.same(proxy.asked, ['CONNECT vault.example:443 vault.example:443'])
})

t.test('connections of bytes begin with whom they are made for', async t => {
  const caller = await callerOf(t, await aLocalServer(t, echo), 'proxyProtocol: {}')
  const { text } = await exchange(caller.port, 'hello')
  t.match(text, /^PROXY TCP4 127\.0\.0\.1 240\.240\.0\.1 \d+ 80\r\nhello$/)
})

t.test('also before TLS, which bytes are sent by where the rule says so', async t => {
  const { key, chain } = aTrustedMesh().credential('outside')
  const secure = createTlsServer({ key, cert: chain, allowHalfOpen: true }, socket => socket.pipe(socket))
  let header = ''
  const port = await aLocalServer(t, socket => {
    socket.once('data', (chunk: Buffer) => {
      const end = chunk.indexOf('\r\n') + 2
      header = chunk.toString('latin1', 0, end)
      socket.pause()
      if (chunk.length > end) socket.unshift(chunk.subarray(end))
      secure.emit('connection', socket)
    })
  })
  const tls = 'tls: { mode: SIMPLE, insecureSkipVerify: true, sni: a.example }'
  const caller = await callerOf(t, port, `proxyProtocol: { version: V1 }, ${tls}`)
  t.same(await exchange(caller.port, 'hello'), { text: 'hello' })
  t.match(header, /^PROXY TCP4 127\.0\.0\.1 240\.240\.0\.1 \d+ 80\r\n$/)
})

t.test('bytes are sent by TLS where the rule says so', async t => {
  const { key, chain } = aTrustedMesh().credential('outside')
  const server = createTlsServer({ key, cert: chain, allowHalfOpen: true }, socket => socket.pipe(socket))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('not bound')
  const lax = await callerOf(t, address.port, 'tls: { mode: SIMPLE, insecureSkipVerify: true, sni: a.example }')
  t.same(await exchange(lax.port, 'hello'), { text: 'hello' })
  const strict = await callerOf(t, address.port, 'tls: { mode: SIMPLE, sni: a.example }')
  t.same(await exchange(strict.port, 'hello'), { text: '', error: 'ECONNRESET' })
  t.match(strict.core.report().refused, [{ reason: 'UPSTREAM_TLS' }])
})

t.test('a connection that says for whom it is made carries the requests of nobody else', async t => {
  const heads: string[] = []
  const port = await aLocalServer(t, socket => {
    socket.once('data', (chunk: Buffer) => {
      heads.push(chunk.toString('latin1', 0, chunk.indexOf('\r\n')))
      socket.on('data', () => socket.write('HTTP/1.1 204 No Content\r\n\r\n'))
      socket.write('HTTP/1.1 204 No Content\r\n\r\n')
    })
  })
  const caller = await callerOf(t, port, 'proxyProtocol: { version: V1 }', 'http')
  const get = () =>
    new Promise<number>((resolve, reject) => {
      const call = httpRequest(
        { port: caller.port, host: '127.0.0.1', agent: false, headers: { host: 'api' } },
        answer => {
          answer.resume()
          resolve(answer.statusCode ?? 0)
        },
      )
      call.on('error', reject)
      call.end()
    })
  t.equal(await get(), 204)
  t.equal(await get(), 204)
  t.equal(new Set(heads).size, 2)
  for (const head of heads) t.match(head, /^PROXY TCP4 127\.0\.0\.1 240\.240\.0\.1 \d+ 80$/)
})
