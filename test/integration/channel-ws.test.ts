import { connect as connectTls } from 'node:tls'
import t from 'tap'
import { WebSocket } from 'ws'
import { type ConnectOptions, dialServer } from '../../agent/control/dial.ts'
import { connectWs } from '../../agent/control/ws.ts'
import { serveWs } from '../../server/push/ws.ts'
import { channelCompliance } from '../compliance/channel.ts'
import { channelHostile, type RawSession } from '../compliance/channel-hostile.ts'
import { channelTrust } from '../compliance/channel-trust.ts'
import { startTransport, type Transport } from '../support/channel-transport.ts'

const transport: Transport = { alpn: 'http/1.1', connect: connectWs, serve: serveWs }

t.test('the sessions over WebSocket', async t => {
  channelCompliance(t, async t => (await startTransport(t, transport)).connect())
})

t.test('who may speak over WebSocket', async t => {
  channelTrust(t, transport)
})

t.test('hostile bytes over WebSocket', async t => {
  channelHostile(t, transport, openRaw)
})

t.test('only an upgrade of the control path without an Origin becomes a channel', async t => {
  const world = await startTransport(t, transport)
  const upgrade = 'connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n'
  const key = 'sec-websocket-key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n'
  const requests = {
    [`GET /v1/control HTTP/1.1\r\nhost: w\r\n${upgrade}${key}origin: https://evil.example\r\n\r\n`]: /^HTTP\/1\.1 403 /,
    [`GET /v1/other HTTP/1.1\r\nhost: w\r\n${upgrade}${key}\r\n`]: /^HTTP\/1\.1 404 /,
    [`GET /v1/control HTTP/1.1\r\nhost: w\r\n${upgrade}\r\n`]: /^HTTP\/1\.1 400 /,
    'GET /v1/control HTTP/1.1\r\nhost: w\r\n\r\n': /^HTTP\/1\.1 426 /,
    [`GET /v1/control HTTP/1.1\r\nhost: w\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`]: /^HTTP\/1\.1 431 /,
  }
  for (const [request, answer] of Object.entries(requests)) t.match(await ask(world.options(), request), answer)
  t.equal(world.accepted.length, 0)
})

t.test('compression is not agreed to, and a text frame ends the session', async t => {
  const world = await startTransport(t, transport)
  const socket = await dialServer(world.options(), 'http/1.1', AbortSignal.timeout(10_000))
  const webSocket = new WebSocket('ws://weft/v1/control', { createConnection: () => socket, perMessageDeflate: true })
  await new Promise(resolve => webSocket.once('open', resolve))
  t.equal(webSocket.extensions, '')
  const closed = new Promise<string>(resolve => webSocket.once('close', (_, reason) => resolve(reason.toString())))
  webSocket.send('{"hello":true}')
  t.match(await closed, /not binary/)
})

async function openRaw(options: ConnectOptions): Promise<RawSession> {
  const socket = await dialServer(options, 'http/1.1', AbortSignal.timeout(10_000))
  const webSocket = new WebSocket('ws://weft/v1/control', { createConnection: () => socket, perMessageDeflate: false })
  webSocket.on('error', () => {})
  const closed = new Promise(resolve => webSocket.once('close', resolve))
  await new Promise(resolve => webSocket.once('open', resolve))
  return {
    send: frame => webSocket.send(frame),
    pause: () => webSocket.pause(),
    closed,
    destroy: () => webSocket.terminate(),
  }
}

function ask(options: ConnectOptions, request: string): Promise<string> {
  const { host, port, roots, key, chain } = options
  const socket = connectTls({
    host,
    port,
    ca: [...roots],
    key,
    cert: chain,
    ALPNProtocols: ['http/1.1'],
    checkServerIdentity: () => undefined,
  })
  return new Promise((resolve, reject) => {
    let answer = ''
    socket.on('data', data => {
      answer += data.toString()
    })
    socket.once('error', reject)
    socket.once('close', () => resolve(answer))
    socket.write(request)
  })
}
