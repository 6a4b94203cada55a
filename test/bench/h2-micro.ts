import { fork } from 'node:child_process'
import { once } from 'node:events'
import http2 from 'node:http2'
import type net from 'node:net'
import tls from 'node:tls'
import { BlockPool } from '../../agent/dataplane/h2/blocks.ts'
import { H2Connection } from '../../agent/dataplane/h2/connection.ts'
import { systemClock } from '../../mesh/std/clock.ts'
import { h2TlsOptions } from '../support/h2-tls.ts'

/**
 * CONNECT streams over one TLS connection between two processes, by our layer and by node:http2: messages that bounce,
 * short-lived streams, and bulk one way. Prints messages per second and CPU microseconds per message for each side.
 * `node test/bench/h2-micro.ts [seconds]`.
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

async function cpuOf(server: ReturnType<typeof fork>): Promise<number> {
  server.send('cpu')
  const [{ cpu }] = (await once(server, 'message')) as [{ cpu: number }]
  return cpu
}

function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}

if (process.argv[2] === 'serve') serve(process.argv[3] === 'weft' ? 'weft' : 'node')
else await measureAll(Number(process.argv[2] ?? 3))
