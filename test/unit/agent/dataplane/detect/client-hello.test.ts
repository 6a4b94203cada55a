import { once } from 'node:events'
import { createServer } from 'node:net'
import { connect } from 'node:tls'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { maxHelloBytes, readClientHello, serverName } from '../../../../../agent/dataplane/detect/client-hello.ts'
import { mutationsOf } from '../../../../support/fuzz.ts'

/** The first bytes of a real TLS client. */
async function helloOf(t: Test, options: { servername?: string; ALPNProtocols?: string[] }): Promise<Buffer> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('not bound')
  const client = connect({ port: address.port, host: '127.0.0.1', rejectUnauthorized: false, ...options })
  client.on('error', () => {})
  const [socket] = await once(server, 'connection')
  const [bytes] = await once(socket, 'data')
  client.destroy()
  socket.destroy()
  return bytes
}

/** A ClientHello made by hand. */
function aHello(
  extensions: Buffer,
  body = Buffer.concat([Buffer.alloc(34), Buffer.of(0, 0, 2, 0x13, 1, 1, 0)]),
): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(extensions.length)
  return recordsOf(Buffer.concat([body, length, extensions]))
}

function recordsOf(body: Buffer, cut = 16_384): Buffer {
  const message = Buffer.concat([Buffer.of(1, 0, body.length >> 8, body.length & 0xff), body])
  const records: Buffer[] = []
  for (let at = 0; at < message.length; at += cut) {
    const part = message.subarray(at, at + cut)
    records.push(Buffer.of(22, 3, 1, part.length >> 8, part.length & 0xff), part)
  }
  return Buffer.concat(records)
}

function extension(type: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.of(0, type, body.length >> 8, body.length & 0xff), body])
}

function names(...list: readonly (readonly [type: number, name: string])[]): Buffer {
  const entries = Buffer.concat(
    list.map(([type, name]) =>
      Buffer.concat([Buffer.of(type, name.length >> 8, name.length & 0xff), Buffer.from(name, 'latin1')]),
    ),
  )
  return extension(0, Buffer.concat([Buffer.of(entries.length >> 8, entries.length & 0xff), entries]))
}

t.test('reads what a real client asks for and offers', async t => {
  const bytes = await helloOf(t, { servername: 'API.Default.mesh', ALPNProtocols: ['h2', 'http/1.1'] })
  t.strictSame(readClientHello(bytes), { serverName: 'api.default.mesh', alpn: ['h2', 'http/1.1'] })
  t.equal(serverName(bytes), 'api.default.mesh')
})

t.test('a client may ask for nobody', async t => {
  t.strictSame(readClientHello(await helloOf(t, {})), { serverName: undefined, alpn: [] })
  t.strictSame(readClientHello(recordsOf(Buffer.concat([Buffer.alloc(34), Buffer.of(0, 0, 2, 0x13, 1, 1, 0)]))), {
    serverName: undefined,
    alpn: [],
  })
})

t.test('waits for the whole hello, wherever it is cut', async t => {
  const bytes = await helloOf(t, { servername: 'api.mesh', ALPNProtocols: ['h2'] })
  for (let at = 1; at < bytes.length; at += 1) {
    if (serverName(bytes.subarray(0, at)) !== 'more') return t.fail(`at ${at}`)
  }
  t.equal(serverName(bytes), 'api.mesh')
})

t.test('reads a hello that is cut into several records', async t => {
  const whole = aHello(names([0, 'api.mesh']))
  const small = recordsOf(whole.subarray(9), 3)
  t.strictSame(readClientHello(small), { serverName: 'api.mesh', alpn: [] })
  t.equal(readClientHello(small.subarray(0, -1)), 'more')
})

t.test('takes the first host name, without a trailing dot, and no other kind of name', async t => {
  t.equal(serverName(aHello(names([7, 'other'], [0, 'a.example.'], [0, 'b.example']))), 'a.example')
  for (const name of ['', 'a\0b', 'a b', 'caf\u00e9', 'a'.repeat(256), '[::1]']) {
    t.equal(serverName(aHello(names([0, name]))), undefined, JSON.stringify(name.slice(0, 10)))
  }
})

t.test('a hello that lies about a length is malformed', async t => {
  const lies = {
    'an extension beyond the end': Buffer.of(0, 0, 0xff, 0xff, 0),
    'a list beyond its extension': extension(0, Buffer.of(0, 50, 0, 0, 1, 0x61)),
    'a name beyond its list': extension(0, Buffer.of(0, 4, 0, 0, 9, 0x61)),
    'a protocol beyond its list': extension(16, Buffer.of(0, 2, 9, 0x68)),
    'half an extension': Buffer.of(0, 0, 0),
  }
  for (const [what, extensions] of Object.entries(lies)) t.equal(readClientHello(aHello(extensions)), 'malformed', what)
  t.equal(readClientHello(recordsOf(Buffer.alloc(20))), 'malformed', 'a body that is too short')
  t.equal(serverName(aHello(Buffer.of(0, 0, 0xff, 0xff, 0))), undefined)
})

t.test('does not wait for a hello that is larger than any', async t => {
  t.equal(readClientHello(Buffer.of(22, 3, 1, 0x40, 0, 1, 1, 0, 0)), 'malformed')
  const endless = Buffer.concat([
    Buffer.of(22, 3, 1, 0, 1, 1),
    ...Array.from({ length: 5000 }, () => Buffer.of(22, 3, 1, 0, 0)),
  ])
  t.equal(readClientHello(endless), 'malformed')
  const drips = recordsOf(Buffer.alloc(16_000), 1)
  t.equal(readClientHello(drips.subarray(0, maxHelloBytes)), 'malformed')
})

t.test('other bytes are no hello', async t => {
  t.equal(serverName(Buffer.from('GET / HTTP/1.1\r\n')), undefined)
  t.equal(serverName(Buffer.of(22)), 'more')
})

t.test('no bytes make it throw, and whatever it reads is within bounds', async t => {
  const good = await helloOf(t, { servername: 'api.default.mesh', ALPNProtocols: ['h2', 'http/1.1'] })
  const check = (bytes: Buffer) => {
    const hello = readClientHello(bytes)
    if (typeof hello === 'string') return true
    return (hello.serverName ?? '').length <= 255 && hello.alpn.join('').length <= bytes.length
  }
  fc.assert(fc.property(mutationsOf(good), check), { numRuns: 3000 })
  const prefix = Buffer.of(22, 3, 1, 1, 0, 1)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), rest => check(Buffer.concat([prefix, rest]))),
    { numRuns: 3000 },
  )
  t.pass()
})
