import { fork } from 'node:child_process'
import { once } from 'node:events'
import http2 from 'node:http2'
import net from 'node:net'
import tls from 'node:tls'
import { BlockPool } from '../../agent/dataplane/h2/blocks.ts'
import { H2Connection } from '../../agent/dataplane/h2/connection.ts'
import type { Dialect } from '../../agent/dataplane/h2/dialect.ts'
import { systemClock } from '../../mesh/std/clock.ts'
import { h2TlsOptions } from '../support/h2-tls.ts'

/**
 * CONNECT streams over one TLS connection between two processes, by our layer and by node:http2: messages that bounce,
 * short-lived streams, and bulk one way. Prints messages per second and CPU microseconds per message for each side.
 * `node test/bench/h2-micro.ts [seconds]`. With `requests [seconds]`: what a request costs (a head in, a head out, no
 * payload) over a session in one process, both sides and the kernel together, by the two dialects between agents.
 */

type Layer = 'weft' | 'node'
const layers: readonly Layer[] = ['weft', 'node']
const messageBytes = 1024
const bulkChunkBytes = 65_536
const windows = { initialWindowSize: 4 << 20, maxFrameSize: 1 << 20 }

interface Tunnel {
  write(chunk: Buffer): boolean
  end(): void
}
interface TunnelEvents {
  open?(): void
  data(chunk: Buffer): void
  drain(): void
  end(): void
}
type Connect = (authority: string, events: TunnelEvents) => Tunnel

async function measureAll(seconds: number): Promise<void> {
  console.log('scenario             layer     per second   client µs   server µs')
  for (const [name, run] of Object.entries(scenarios)) {
    for (const round of [0, 1, 2]) {
      for (const layer of round % 2 === 0 ? layers : layers.toReversed()) {
        const row = await measure(layer, run, seconds)
        const figures = [row.perSecond, row.clientMicros, row.serverMicros].map(value => value.toFixed(1).padStart(12))
        console.log(`${name.padEnd(20)} ${layer} ${figures.join('')}`)
      }
    }
  }
}

async function measure(layer: Layer, run: Scenario, seconds: number) {
  const server = fork(import.meta.filename, ['serve', layer])
  const [{ port }] = (await once(server, 'message')) as [{ port: number }]
  const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['h2'] })
  await once(socket, 'secureConnect')
  const connect = layer === 'weft' ? weftClient(socket) : nodeClient(socket)
  const count = run(connect)
  await pause(500)
  const before = { count: count(), client: process.cpuUsage(), server: await cpuOf(server), at: performance.now() }
  await pause(seconds * 1000)
  const done = count() - before.count
  const client = process.cpuUsage(before.client)
  const elapsed = performance.now() - before.at
  const serverMicros = (await cpuOf(server)) - before.server
  socket.destroy()
  server.kill()
  await once(server, 'exit')
  return {
    perSecond: (done / elapsed) * 1000,
    clientMicros: (client.user + client.system) / done,
    serverMicros: serverMicros / done,
  }
}

type Scenario = (connect: Connect) => () => number

const scenarios: Readonly<Record<string, Scenario>> = {
  'echo 1 KiB x 1': connect => echo(connect, 1),
  'echo 1 KiB x 16': connect => echo(connect, 16),
  'echo 1 KiB x 64': connect => echo(connect, 64),
  'streams x 32': connect => shortStreams(connect, 32),
  'bulk MiB x 1': connect => bulk(connect, 1),
  'bulk MiB x 8': connect => bulk(connect, 8),
}

function echo(connect: Connect, streams: number): () => number {
  const message = Buffer.alloc(messageBytes, 7)
  let count = 0
  for (let index = 0; index < streams; index += 1) {
    let received = 0
    const tunnel = connect('127.0.0.1:80', {
      data(chunk) {
        received += chunk.length
        if (received < messageBytes) return
        received = 0
        count += 1
        tunnel.write(message)
      },
      drain() {},
      end() {},
    })
    tunnel.write(message)
  }
  return () => count
}

function shortStreams(connect: Connect, streams: number): () => number {
  const message = Buffer.alloc(messageBytes, 7)
  let count = 0
  const start = () => {
    const tunnel = connect('127.0.0.1:80', {
      data() {},
      drain() {},
      end() {
        count += 1
        start()
      },
    })
    tunnel.write(message)
    tunnel.end()
  }
  for (let index = 0; index < streams; index += 1) start()
  return () => count
}

function bulk(connect: Connect, streams: number): () => number {
  const chunk = Buffer.alloc(bulkChunkBytes, 7)
  let bytes = 0
  for (let index = 0; index < streams; index += 1) {
    // a macrotask between chunks, as when they come from a socket
    const send = () => {
      bytes += bulkChunkBytes
      if (tunnel.write(chunk)) setImmediate(send)
    }
    const tunnel = connect('sink:80', { data() {}, drain: send, end() {} })
    send()
  }
  return () => bytes / 2 ** 20
}

function weftClient(socket: tls.TLSSocket): Connect {
  const connection = new H2Connection(socket, 'client', { clock: systemClock })
  return (authority, events) => {
    const stream = connection.open([':method', 'CONNECT', ':authority', authority], false)
    if (stream === undefined) throw new Error('no capacity')
    stream.onData = chunk => {
      stream.consumed(chunk.length)
      events.data(chunk)
    }
    stream.onEnd = () => events.end()
    stream.onDrain = () => events.drain()
    return stream
  }
}

function nodeClient(socket: tls.TLSSocket): Connect {
  const session = http2.connect('https://127.0.0.1', { createConnection: () => socket, settings: windows })
  session.on('error', () => {})
  session.setLocalWindowSize(16 << 20)
  return (authority, events) => {
    const stream = session.request({ ':method': 'CONNECT', ':authority': authority })
    stream.on('error', () => {})
    stream.on('data', (chunk: Buffer) => events.data(chunk))
    stream.on('end', () => events.end())
    stream.on('drain', () => events.drain())
    return stream
  }
}

function serve(layer: Layer): void {
  const options = h2TlsOptions()
  const server = layer === 'weft' ? weftServer(options) : nodeServer(options)
  server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as net.AddressInfo).port }))
  process.on('message', () => {
    const { user, system } = process.cpuUsage()
    process.send?.({ cpu: user + system })
  })
}

function weftServer(options: tls.TlsOptions): net.Server {
  const blocks = new BlockPool()
  return tls.createServer(options, socket => {
    const connection = new H2Connection(socket, 'server', { clock: systemClock, blocks })
    connection.onStream = (stream, headers) => {
      const sink = headers.includes('sink:80')
      stream.respond([':status', '200'], false)
      stream.onData = chunk => {
        if (!sink) stream.write(Buffer.from(chunk))
        stream.consumed(chunk.length)
      }
      stream.onEnd = () => stream.end()
    }
  })
}

function nodeServer(options: tls.TlsOptions): net.Server {
  const server = http2.createSecureServer({ ...options, settings: windows })
  server.on('session', session => {
    session.setLocalWindowSize(16 << 20)
    session.on('error', () => {})
  })
  server.on('stream', (stream: http2.ServerHttp2Stream, headers) => {
    stream.on('error', () => {})
    stream.respond({ ':status': 200 })
    if (headers[':authority'] === 'sink:80') stream.resume()
    else stream.on('data', chunk => stream.write(chunk))
    stream.on('end', () => stream.end())
  })
  return server
}

async function measureRequests(seconds: number): Promise<void> {
  console.log('dialect  streams   per second   µs per request')
  for (const streams of [1, 16, 64]) {
    for (const round of [0, 1, 2]) {
      const dialects: readonly Dialect[] = ['h2', 'weft']
      for (const dialect of round % 2 === 0 ? dialects : dialects.toReversed()) {
        const row = await requestCost(dialect, streams, seconds)
        const figures = [row.perSecond.toFixed(0).padStart(13), row.micros.toFixed(2).padStart(17)].join('')
        console.log(`${dialect.padEnd(9)}${String(streams).padStart(7)}${figures}`)
      }
    }
  }
}

async function requestCost(dialect: Dialect, streams: number, seconds: number) {
  const listener = net.createServer()
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const near = net.connect((listener.address() as net.AddressInfo).port, '127.0.0.1')
  const [far] = (await once(listener, 'connection')) as [net.Socket]
  listener.close()
  const limits = { headerPairs: 160 }
  const server = new H2Connection(far, 'server', { clock: systemClock, dialect, limits })
  server.onStream = stream => stream.respond(responseHead, true)
  const client = new H2Connection(near, 'client', { clock: systemClock, dialect, limits })
  let count = 0
  const next = () => {
    count += 1
    const stream = client.open(requestHead(count), true)
    if (stream === undefined) throw new Error('no capacity')
    stream.onEnd = next
    stream.onReset = (_code, reason) => {
      if (reason !== 'done') throw new Error(reason)
    }
  }
  await new Promise<void>(resolve => client.ping(() => resolve()))
  for (let index = 0; index < streams; index += 1) next()
  await pause(500)
  const before = { count, cpu: process.cpuUsage(), at: performance.now() }
  await pause(seconds * 1000)
  const done = count - before.count
  const { user, system } = process.cpuUsage(before.cpu)
  const elapsed = performance.now() - before.at
  client.destroy('done')
  server.destroy('done')
  return { perSecond: (done / elapsed) * 1000, micros: (user + system) / done }
}

/** As an agent sends it: what the caller sent, what the mesh adds, and new values where real ones are new. */
function requestHead(count: number): string[] {
  const id = `5f0c2a52-6c0f-9d5e-8d0a-${String(count).padStart(12, '0')}`
  return [
    ':method',
    'GET',
    ':scheme',
    'http',
    ':authority',
    'catalogue.shop.svc.cluster.local',
    ':path',
    `/products/${count % 1000}?fields=name,price`,
    'x-weft-destination',
    '10.77.0.2:8080',
    'x-weft-source',
    'k8s.namespace.name=shop,k8s.deployment.name=web,service.name=web,service.version=v1',
    'user-agent',
    'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0',
    'accept',
    'application/json',
    'accept-encoding',
    'gzip, deflate, br',
    'accept-language',
    'en-GB,en;q=0.7',
    'x-forwarded-for',
    '10.77.0.1',
    'x-forwarded-proto',
    'http',
    'x-request-id',
    id,
  ]
}

const responseHead = [
  ':status',
  '200',
  'content-type',
  'application/json; charset=utf-8',
  'cache-control',
  'no-cache',
  'x-powered-by',
  'Express',
  'date',
  'Sun, 22 Nov 2026 11:00:00 GMT',
  'x-envoy-upstream-service-time',
  '3',
]

async function cpuOf(server: ReturnType<typeof fork>): Promise<number> {
  server.send('cpu')
  const [{ cpu }] = (await once(server, 'message')) as [{ cpu: number }]
  return cpu
}

function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}

if (process.argv[2] === 'requests') await measureRequests(Number(process.argv[3] ?? 3))
else if (process.argv[2] === 'serve') serve(process.argv[3] === 'weft' ? 'weft' : 'node')
else await measureAll(Number(process.argv[2] ?? 3))
