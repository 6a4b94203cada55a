import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import http2 from 'node:http2'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import tls from 'node:tls'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { H2Connection, type H2Stream } from '../../agent/dataplane/h2/connection.ts'
import { systemClock } from '../../mesh/std/clock.ts'
import { eventually } from '../support/eventually.ts'
import { startEchoServer } from '../support/h2-echo.ts'
import { watchStream } from '../support/h2-raw.ts'
import { h2TlsOptions } from '../support/h2-tls.ts'

const run = promisify(execFile)
const tenMiB = randomBytes(10 * 1024 * 1024)
const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
const connectTo = (authority: string) => [':method', 'CONNECT', ':authority', authority]
type Security = 'plain' | 'tls'

async function nodeClient(t: Test, security: Security, port: number): Promise<http2.ClientHttp2Session> {
  const scheme = security === 'tls' ? 'https' : 'http'
  const session = http2.connect(`${scheme}://127.0.0.1:${port}`, { rejectUnauthorized: false })
  session.on('error', () => {})
  t.teardown(() => session.destroy())
  await once(session, 'connect')
  return session
}

/** A server by node:http2 that sends back what it gets, on every method. */
async function nodeServer(t: Test, security: Security): Promise<{ port: number; sessions: http2.Http2Session[] }> {
  const server = security === 'tls' ? http2.createSecureServer(h2TlsOptions()) : http2.createServer()
  const sessions: http2.Http2Session[] = []
  server.on('session', session => sessions.push(session))
  server.on('stream', (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => {
    stream.on('error', () => {})
    if (headers[':authority'] === 'reset:1') return stream.close(http2.constants.NGHTTP2_CONNECT_ERROR)
    stream.respond({ ':status': 200 })
    if (headers[':authority'] !== 'silent:1') stream.pipe(stream)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const session of sessions) session.destroy()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, sessions }
}

async function ourClient(t: Test, security: Security, port: number): Promise<H2Connection> {
  const socket: Socket =
    security === 'tls'
      ? tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['h2'] })
      : connect(port, '127.0.0.1')
  await once(socket, security === 'tls' ? 'secureConnect' : 'connect')
  const connection = new H2Connection(socket, 'client', { clock: systemClock })
  t.teardown(() => connection.destroy('the test is over'))
  await new Promise<void>(resolve => connection.ping(() => resolve()))
  return connection
}

function openStream(connection: H2Connection, authority: string): H2Stream {
  const stream = connection.open(connectTo(authority), false)
  if (stream === undefined) throw new Error('no capacity')
  return stream
}

/** Writes everything as the windows permit, then ends. */
function pour(stream: H2Stream, bytes: Buffer, chunkBytes = 65_536): void {
  let at = 0
  const more = () => {
    while (at < bytes.length) {
      const chunk = bytes.subarray(at, at + chunkBytes)
      at += chunk.length
      if (!stream.write(chunk)) return
    }
    stream.end()
  }
  stream.onDrain = more
  more()
}

function* pieces(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536)
}

async function readAll(stream: http2.Http2Stream): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}

for (const security of ['plain', 'tls'] as const) {
  t.test(`a node:http2 client reaches our server, ${security}`, async t => {
    const { port, connections } = await startEchoServer(t, security)
    const session = await nodeClient(t, security, port)
    if (security === 'tls') t.equal(session.alpnProtocol, 'h2')

    await t.test('10 MiB both ways through a tunnel', async t => {
      const stream = session.request({ ':method': 'CONNECT', ':authority': '10.0.0.1:80' })
      // in pieces: node counts what is written at once against its own session memory
      Readable.from(pieces(tenMiB)).pipe(stream)
      t.equal(digest(await readAll(stream)), digest(tenMiB))
    })

    await t.test('eighty streams at once', async t => {
      const bodies = await Promise.all(
        Array.from({ length: 80 }, async (_, index) => {
          const stream = session.request({ ':method': 'POST', ':path': '/' })
          stream.end(Buffer.alloc(index * 1000, index))
          return await readAll(stream)
        }),
      )
      for (const [index, body] of bodies.entries()) t.ok(body.equals(Buffer.alloc(index * 1000, index)))
    })

    await t.test('requests with dynamic header compression', async t => {
      for (let round = 0; round < 3; round += 1) {
        const stream = session.request({
          ':path': '/headers',
          'x-one': 'value-one',
          cookie: 'a=b',
          'x-round': `${round}`,
        })
        const text = (await readAll(stream)).toString()
        t.match(text, 'x-one\nvalue-one')
        t.match(text, `x-round\n${round}`)
      }
    })

    await t.test('a reset by the client frees the stream', async t => {
      const stream = session.request({ ':method': 'CONNECT', ':authority': '10.0.0.1:80' })
      stream.on('error', () => {})
      await once(stream, 'response')
      t.equal(connections[0]?.openStreams, 1)
      stream.close(http2.constants.NGHTTP2_CANCEL)
      await eventually(() => assert.equal(connections[0]?.openStreams, 0))
    })

    await t.test('a clean end', async t => {
      session.close()
      await once(session, 'close')
      t.equal(session.destroyed, true)
    })
  })

  t.test(`our client reaches a node:http2 server, ${security}`, async t => {
    const { port, sessions } = await nodeServer(t, security)
    const connection = await ourClient(t, security, port)

    await t.test('10 MiB both ways through a tunnel', async t => {
      const stream = openStream(connection, '10.0.0.1:80')
      const seen = watchStream(stream)
      pour(stream, tenMiB)
      await eventually(() => assert.equal(seen.ended, true), 30_000)
      t.equal(digest(Buffer.concat(seen.data)), digest(tenMiB))
      t.equal(seen.headers[0]?.[1], '200')
      t.equal(connection.openStreams, 0)
    })

    await t.test('a hundred streams at once, of odd chunk sizes', async t => {
      const seen = Array.from({ length: 100 }, (_, index) => {
        const stream = openStream(connection, `10.0.0.1:${index + 1}`)
        const watched = watchStream(stream)
        pour(stream, tenMiB.subarray(index, index + 70_000), 1 + index * 997)
        return watched
      })
      t.equal(connection.canOpen(), false)
      await eventually(() => assert.ok(seen.every(one => one.ended)))
      for (const [index, one] of seen.entries()) {
        t.ok(Buffer.concat(one.data).equals(tenMiB.subarray(index, index + 70_000)), `stream ${index}`)
      }
    })

    await t.test('half-close: the server answers after our end', async t => {
      const stream = openStream(connection, '10.0.0.1:80')
      const seen = watchStream(stream)
      stream.end()
      await eventually(() => assert.equal(seen.ended, true))
      t.equal(seen.reset, undefined)
    })

    await t.test('a reset by the server', async t => {
      const seen = watchStream(openStream(connection, 'reset:1'))
      await eventually(() => assert.equal(seen.reset?.code, http2.constants.NGHTTP2_CONNECT_ERROR))
      t.equal(connection.openStreams, 0)
    })

    await t.test('a server that does not read bounds what is taken', async t => {
      const stream = openStream(connection, 'silent:1')
      const seen = watchStream(stream)
      let taken = 0
      const fill = () => {
        do taken += 16_384
        while (stream.write(Buffer.alloc(16_384)))
      }
      stream.onDrain = fill
      fill()
      for (let round = 0; round < 5; round += 1) await new Promise<void>(resolve => connection.ping(() => resolve()))
      t.ok(taken < 1_000_000, `${taken} bytes were taken`)
      t.equal(seen.reset, undefined)
      stream.reset(http2.constants.NGHTTP2_CANCEL)
    })

    await t.test('a goodbye of the server', async t => {
      const goaways: number[] = []
      const closed: string[] = []
      connection.onGoaway = code => goaways.push(code)
      connection.onClose = reason => closed.push(reason)
      for (const session of sessions) session.close()
      await eventually(() => assert.equal(closed.length, 1))
      t.strictSame(goaways, [http2.constants.NGHTTP2_NO_ERROR])
    })
  })
}

t.test('a node client that does not read bounds what our server holds', async t => {
  const { port, connections } = await startEchoServer(t, 'plain')
  const session = await nodeClient(t, 'plain', port)
  const stream = session.request({ ':path': `/bytes/${1 << 30}` })
  stream.on('error', () => {})
  await once(stream, 'response')
  const before = process.memoryUsage().arrayBuffers
  const pings = Array.from({ length: 20 }, () => new Promise(resolve => session.ping(() => resolve(undefined))))
  await Promise.all(pings)
  t.ok(process.memoryUsage().arrayBuffers - before < 32 * 1024 * 1024, 'a gigabyte is not in memory')
  t.equal(connections[0]?.openStreams, 1)
})

t.test('curl reads from our server with prior knowledge and over TLS', async t => {
  const plain = await startEchoServer(t, 'plain')
  const url = `http://127.0.0.1:${plain.port}`
  const headers = await run('curl', ['-sS', '--http2-prior-knowledge', '-H', 'X-Own: v', `${url}/headers`])
  t.match(headers.stdout, ':path\n/headers')
  t.match(headers.stdout, 'x-own\nv')
  const format = '%{http_version} %{http_code} %{size_download}'
  const args = ['-sS', '-o', '/dev/null', '-w', format]
  t.equal((await run('curl', [...args, '--http2-prior-knowledge', `${url}/bytes/5000000`])).stdout, '2 200 5000000')
  const secure = await startEchoServer(t, 'tls')
  const secureUrl = `https://127.0.0.1:${secure.port}/bytes/5000000`
  t.equal((await run('curl', [...args, '-k', '--http2', secureUrl])).stdout, '2 200 5000000')
  const body = '@-'
  const post = run('curl', ['-sS', '-k', '--http2', '--data-binary', body, `https://127.0.0.1:${secure.port}/`], {
    encoding: 'buffer',
    maxBuffer: 64 * 1024 * 1024,
  })
  post.child.stdin?.end(tenMiB)
  t.equal(digest((await post).stdout), digest(tenMiB))
})

t.test('nghttp has nothing to complain about', async t => {
  const { port, closed } = await startEchoServer(t, 'plain')
  const url = `http://127.0.0.1:${port}`
  const { stdout } = await run('nghttp', ['-v', '-n', `${url}/bytes/100000`, `${url}/headers`])
  t.match(stdout, /:status: 200/)
  t.match(stdout, /SETTINGS_MAX_CONCURRENT_STREAMS\(0x03\):100/)
  t.match(stdout, /SETTINGS_INITIAL_WINDOW_SIZE\(0x04\):4194304/)
  t.match(stdout, /END_STREAM/)
  t.notMatch(stdout, /RST_STREAM|\[ERROR\]/)
  await eventually(() => assert.equal(closed.length, 1))
})

t.test('h2load gets every answer over TLS', async t => {
  const { port } = await startEchoServer(t, 'tls')
  const args = ['-n', '4000', '-c', '4', '-m', '50', `https://127.0.0.1:${port}/bytes/1000`]
  const { stdout } = await run('h2load', args)
  t.match(stdout, /4000 total, 4000 started, 4000 done, 4000 succeeded, 0 failed, 0 errored/)
})
