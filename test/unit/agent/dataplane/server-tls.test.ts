import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { request } from 'node:https'
import { connect as connectTcp, createServer as createTcpServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ConnectionOptions, connect } from 'node:tls'
import t from 'tap'
import { ServerTlsHandshakes } from '../../../../agent/dataplane/server-tls.ts'
import type { ServerTlsSpec } from '../../../../mesh/model/traffic.ts'
import { systemClock } from '../../../../mesh/std/clock.ts'
import { aConfig, aWorkload } from '../../../support/agent-config.ts'
import { aLocalServer, aThread, aTrustedMesh } from '../../../support/data-threads.ts'
import { until } from '../../../support/eventually.ts'

type Teardown = { teardown(stop: () => unknown): void }

/** Certificates of an authority of their own, as files. */
function certificates(t: Teardown) {
  const directory = mkdtempSync(join(tmpdir(), 'weft-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const own = aTrustedMesh()
  const files = { serverCertificate: 'tls.crt', privateKey: 'tls.key', caCertificates: 'ca.crt' } as const
  const { key, chain } = own.credential('server')
  const path = (name: string) => join(directory, name)
  writeFileSync(path(files.serverCertificate), chain)
  writeFileSync(path(files.privateKey), key)
  writeFileSync(path(files.caCertificates), own.trust.roots.join(''))
  const caller = own.credential('caller')
  return {
    server: { serverCertificate: path('tls.crt'), privateKey: path('tls.key') },
    caCertificates: path('ca.crt'),
    caller: { key: caller.key, cert: caller.chain },
  }
}

/** Where callers outside the mesh meet the port 9090, whose process listens at `port`. */
async function aPort(t: Teardown, port: number, protocol: 'HTTPS' | 'TLS', tls: ServerTlsSpec, mtls = 'PERMISSIVE') {
  const originalDst = { address: '10.77.0.1', port: 9090 }
  const thread = await aThread(t, { kind: 'inbound-plaintext' }, { originalDst })
  const ingress = [{ port: { number: 9090, protocol }, defaultEndpoint: `127.0.0.1:${port}`, tls }]
  const sidecar = { namespace: 'default', name: 's', createdAt: 0, spec: { ingress } }
  const [declared] = aWorkload().ports
  if (declared === undefined) throw new Error('no port')
  const ports = [{ ...declared, mtls: mtls === 'STRICT' ? 'STRICT' : 'PERMISSIVE' } as const]
  const config = aConfig({ workloads: [aWorkload({ ports })] })
  thread.core.config({ ...config, traffic: { ...config.traffic, sidecars: [sidecar] } })
  return thread
}

/** What comes back by TLS for `hello`, or the error. */
function say(port: number, options: ConnectionOptions = {}): Promise<string> {
  return new Promise(resolve => {
    const half = { allowHalfOpen: true, port, host: '127.0.0.1', rejectUnauthorized: false }
    const socket = connect({ ...half, ...options }, () => socket.end('hello'))
    let text = ''
    socket.on('data', chunk => {
      text += chunk
    })
    socket.on('end', () => resolve(text))
    socket.on('error', () => resolve('refused'))
    socket.on('close', () => resolve(text))
  })
}

async function anApplication(t: Teardown): Promise<number> {
  const backend = createServer((incoming, outgoing) => outgoing.end(`${incoming.httpVersion} ${incoming.url}`))
  await new Promise<void>(resolve => backend.listen(0, '127.0.0.1', resolve))
  t.teardown(() => backend.close())
  const address = backend.address()
  if (typeof address !== 'object' || address === null) throw new Error('not bound')
  return address.port
}

const echo = (socket: Socket) => socket.pipe(socket)

t.test('bytes by TLS from outside the mesh come to the process in the clear', async t => {
  const { server } = certificates(t)
  const { core, port } = await aPort(t, await aLocalServer(t, echo), 'TLS', { mode: 'SIMPLE', ...server })
  t.equal(await say(port), 'hello')
  t.match(core.report().tcp, [{ opened: 1 }])
})

t.test('requests by TLS from outside the mesh are served as requests', async t => {
  const { server } = certificates(t)
  const { port } = await aPort(t, await anApplication(t), 'HTTPS', { mode: 'SIMPLE', ...server })
  const text = await new Promise<string>((resolve, reject) => {
    const call = request({ port, host: '127.0.0.1', path: '/x', rejectUnauthorized: false, agent: false }, answer => {
      answer.setEncoding('utf8')
      answer.once('data', resolve)
    })
    call.on('error', reject)
    call.end()
  })
  t.equal(text, '1.1 /x')
  t.equal(await say(port), '', 'what is no request is refused')
})

t.test('a request for another host than its TLS was made for is misdirected', async t => {
  const { server } = certificates(t)
  const { core, port } = await aPort(t, await anApplication(t), 'HTTPS', { mode: 'SIMPLE', ...server })
  const statusFor = (host: string) =>
    new Promise<number | undefined>((resolve, reject) => {
      const headers = { host }
      const options = { port, host: '127.0.0.1', servername: 'shop.example', headers, rejectUnauthorized: false }
      const call = request({ ...options, agent: false }, answer => {
        answer.resume()
        resolve(answer.statusCode)
      })
      call.on('error', reject)
      call.end()
    })
  t.equal(await statusFor('other.example'), 421)
  t.equal(await statusFor('Shop.example:443'), 200)
  t.match(core.report().localReplies, [{ reason: 'MISDIRECTED', count: 1 }])
})

t.test('HTTP/2 is agreed on with the caller, and not asked of the process', async t => {
  const { server } = certificates(t)
  const { port } = await aPort(t, await anApplication(t), 'HTTPS', { mode: 'SIMPLE', ...server })
  const session = connectHttp2(`https://127.0.0.1:${port}`, { rejectUnauthorized: false })
  t.teardown(() => session.destroy())
  const stream = session.request({ ':path': '/y' })
  stream.setEncoding('utf8')
  t.equal(await new Promise(resolve => stream.once('data', resolve)), '1.1 /y')
})

t.test('a caller shows a certificate that is believed, where one is asked for', async t => {
  const { server, caCertificates, caller } = certificates(t)
  const stranger = certificates(t).caller
  const backend = await aLocalServer(t, echo)
  const mutual = await aPort(t, backend, 'TLS', { mode: 'MUTUAL', ...server, caCertificates })
  t.equal(await say(mutual.port, caller), 'hello')
  for (const other of [stranger, {}]) t.not(await say(mutual.port, other), 'hello')
  t.match(mutual.core.report().refused, [{ reason: 'BAD_HANDSHAKE', count: 2 }])
  const optional = await aPort(t, backend, 'TLS', { mode: 'OPTIONAL_MUTUAL', ...server, caCertificates })
  t.equal(await say(optional.port, caller), 'hello')
  t.equal(await say(optional.port), 'hello')
  t.not(await say(optional.port, stranger), 'hello')
})

t.test('without its files a port is not served, and STRICT is stronger', async t => {
  const { server } = certificates(t)
  const backend = await aLocalServer(t, echo)
  const broken = await aPort(t, backend, 'TLS', { mode: 'SIMPLE', ...server, privateKey: '/none' })
  t.not(await say(broken.port), 'hello')
  t.match(broken.core.report().refused, [{ reason: 'NO_CERTIFICATE' }])
  const strict = await aPort(t, backend, 'TLS', { mode: 'SIMPLE', ...server }, 'STRICT')
  t.not(await say(strict.port), 'hello')
  t.match(strict.core.report().refused, [{ reason: 'MTLS_REQUIRED' }])
})

t.test('whoever uses one port of its own for two connections gets neither for the other', async t => {
  const { server } = certificates(t)
  const common = { ...server, minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3', caCertificates: '', caCrl: '' } as const
  const tls = { ...common, ciphers: '', carriesHttp: false, callers: 'any' } as const
  const handshakes = new ServerTlsHandshakes(systemClock)
  const secured: string[] = []
  const accepted: Socket[] = []
  const listener = createTcpServer(socket => {
    socket.on('error', () => {})
    accepted.push(socket)
    const { localAddress } = socket
    handshakes.accept(socket, tls, ({ kind }) => secured.push(`${localAddress} ${kind}`))
  })
  await new Promise<void>(resolve => listener.listen(0, '0.0.0.0', resolve))
  t.teardown(() => listener.close())
  const address = listener.address()
  if (typeof address !== 'object' || address === null) throw new Error('not bound')
  const { port } = address
  const first = connectTcp({ port, host: '127.0.0.1', localAddress: '127.0.0.1' })
  await until('the first is accepted', () => accepted.length === 1)
  const { localPort } = first
  if (localPort === undefined) throw new Error('not connected')
  const second = connectTcp({ port, host: '127.0.0.2', localAddress: '127.0.0.1', localPort })
  await until('the second is accepted', () => accepted.length === 2)
  t.teardown(() => {
    for (const socket of [first, second, ...accepted]) socket.destroy()
  })
  connect({ socket: first, rejectUnauthorized: false }).on('error', () => {})
  await until('one is secured', () => secured.length > 0)
  t.same(secured, ['127.0.0.1 secured'])
})
