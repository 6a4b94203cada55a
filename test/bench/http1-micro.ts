import { fork } from 'node:child_process'
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { Duplex } from 'node:stream'
import { Http1ClientConnection } from '../../agent/dataplane/http1/client-connection.ts'
import { defaultHttp1Limits } from '../../agent/dataplane/http1/limits.ts'
import { MessageWriter } from '../../agent/dataplane/http1/message-writer.ts'
import { Output } from '../../agent/dataplane/http1/output.ts'
import { RequestHead } from '../../agent/dataplane/http1/request-head.ts'
import { Http1ServerConnection } from '../../agent/dataplane/http1/server-connection.ts'
import { Http1Shared } from '../../agent/dataplane/http1/shared.ts'
import { statusLine } from '../../agent/dataplane/http1/status-lines.ts'
import { systemClock } from '../../mesh/std/clock.ts'

/**
 * What HTTP/1.1 costs: nanoseconds for a head read and a head written, and requests per second with microseconds of CPU
 * per request for servers, clients and a proxy of ours and of node:http over loopback.
 * `node test/bench/http1-micro.ts [seconds]`.
 */

const fields =
  'Host: api.shop.example:8080\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\nAccept: */*\r\n' +
  'Accept-Encoding: gzip, deflate, br\r\nX-Request-Id: 00000000-0000-0000-0000-000000000000\r\n' +
  'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nCookie: session=0123456789abcdef; theme=dark\r\n' +
  'Authorization: Bearer 0123456789abcdef0123456789abcdef0123456789abcdef\r\nX-Forwarded-For: 10.1.2.3\r\nConnection: keep-alive\r\n\r\n'
const responseFields = [
  ...[
    ':status',
    '200',
    'content-type',
    'application/json',
    'content-length',
    '13',
    'date',
    'Sun, 22 Nov 2026 11:00:00 GMT',
  ],
  ...['server', 'weft', 'x-request-id', '00000000-0000-0000-0000-000000000000', 'x-envoy-upstream-service-time', '3'],
]
const body = Buffer.from('{"some":"it"}')

function measureHeads(): void {
  const same = [Buffer.from(`GET /catalogue/items/17?page=2 HTTP/1.1\r\n${fields}`)]
  const twoChange = Array.from({ length: 64 }, (_, index) => {
    const id = String(index).padStart(12, '0')
    return Buffer.from(
      `GET /catalogue/items/${index}?page=2 HTTP/1.1\r\n${fields.replace('000000000000\r\n', `${id}\r\n`)}`,
    )
  })
  const head = new RequestHead(defaultHttp1Limits, 'http')
  const read = (heads: readonly Buffer[]) => (count: number) => {
    let sum = 0
    for (let index = 0; index < count; index += 1) {
      if (head.read(heads[index % heads.length] ?? body, 0) !== 'complete') throw new Error('not a head')
      sum += head.list().length
    }
    return sum
  }
  const fresh = (count: number) => {
    let sum = 0
    for (let index = 0; index < count; index += 1) {
      const first = new RequestHead(defaultHttp1Limits, 'http')
      first.read(twoChange[index % twoChange.length] ?? body, 0)
      sum += first.list().length
    }
    return sum
  }
  const size = same[0]?.length
  console.log(`head of ${size} bytes and 10 fields read, the same again: ${nanoseconds(read(same))} ns`)
  console.log(`the same with another path and request id:            ${nanoseconds(read(twoChange))} ns`)
  console.log(`the first one of a connection:                        ${nanoseconds(fresh)} ns`)
  const shared = new Http1Shared()
  const output = new Output(new Sink(), shared.blocks, shared.turns, { writeBegan() {}, written() {}, drained() {} })
  const writer = new MessageWriter(output)
  const write = (count: number) => {
    for (let index = 0; index < count; index += 1) {
      writer.response(statusLine(200), responseFields, false, '')
      if (output.gathered > 10_000) output.flush()
    }
    return output.gathered
  }
  console.log(
    `head of ${(responseFields.length - 2) / 2} fields written:                              ${nanoseconds(write)} ns`,
  )
}

function nanoseconds(work: (count: number) => number): string {
  const count = 200_000
  work(count)
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < 5; round += 1) {
    const before = process.cpuUsage()
    work(count)
    best = Math.min(best, (process.cpuUsage(before).user / count) * 1000)
  }
  return best.toFixed(0).padStart(6)
}

class Sink extends Duplex {
  override _write(_: Buffer, __: string, done: () => void): void {
    done()
  }
  override _read(): void {}
}

type Layer = 'weft' | 'node'
type Part = 'server' | 'client' | 'proxy'

async function measureLoopback(seconds: number): Promise<void> {
  console.log('part    layer    requests/s   CPU µs/request')
  for (const part of ['server', 'client', 'proxy'] as const) {
    for (const layer of ['weft', 'node', 'weft', 'node'] as const) {
      const { perSecond, micros } = await measurePart(part, layer, seconds)
      console.log(`${part.padEnd(8)}${layer}${perSecond.toFixed(0).padStart(15)}${micros.toFixed(1).padStart(17)}`)
    }
  }
}

/** The part under test is this process; what stands beside it are processes of its own. */
async function measurePart(part: Part, layer: Layer, seconds: number) {
  const child = fork(import.meta.filename, ['serve', part, layer])
  const [{ port }] = (await once(child, 'message')) as [{ port: number }]
  let count = 0
  const others: ReturnType<typeof fork>[] = []
  if (part === 'client') {
    const run = layer === 'weft' ? weftLoad : nodeLoad
    for (let index = 0; index < 16; index += 1) run(port, () => (count += 1))
  } else {
    const load = fork(import.meta.filename, ['load', String(port)])
    others.push(load)
  }
  await pause(700)
  const before = await figures(part === 'client' ? undefined : child, count)
  const at = performance.now()
  await pause(seconds * 1000)
  const after = await figures(part === 'client' ? undefined : child, count)
  const done = after.count - before.count
  const perSecond = (done / (performance.now() - at)) * 1000
  stopped = true
  for (const process of [...others, child]) {
    process.kill()
    await once(process, 'exit')
  }
  stopped = false
  return { perSecond, micros: (after.cpu - before.cpu) / done }
}

let stopped = false

async function figures(child: ReturnType<typeof fork> | undefined, count: number) {
  if (child === undefined) {
    const { user, system } = process.cpuUsage()
    return { cpu: user + system, count }
  }
  child.send('figures')
  const [answer] = (await once(child, 'message')) as [{ cpu: number; count: number }]
  return answer
}

/** Sixteen connections that send the same bytes whenever an answer has come; cheap, so that the server is the limit. */
function load(port: number): void {
  const request = Buffer.from(`GET /catalogue/items/17?page=2 HTTP/1.1\r\n${fields}`)
  for (let index = 0; index < 16; index += 1) {
    const socket = net.connect(port, '127.0.0.1', () => socket.write(request))
    socket.setNoDelay(true)
    socket.on('data', () => socket.write(request))
    socket.on('error', () => {})
  }
}

const requestList = [
  ...[
    ':method',
    'GET',
    ':scheme',
    'http',
    ':authority',
    'api.shop.example:8080',
    ':path',
    '/catalogue/items/17?page=2',
  ],
  ...fields
    .split('\r\n')
    .filter(line => line !== '' && !/^(Host|Connection)/.test(line))
    .flatMap(line => line.split(': ')),
]

function weftLoad(port: number, counted: () => void): void {
  const shared = new Http1Shared()
  const socket = net.connect(port, '127.0.0.1', () => {
    const connection = new Http1ClientConnection(socket, { clock: systemClock, shared })
    const next = () => {
      if (stopped) return connection.destroy('done')
      const stream = connection.open(requestList, true)
      if (stream === undefined) throw new Error('the connection was lost')
      stream.onData = chunk => stream.consumed(chunk.length)
    }
    connection.onIdle = () => {
      counted()
      next()
    }
    next()
  })
  socket.on('error', () => {})
}

function nodeLoad(port: number, counted: () => void): void {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  const headers = Object.fromEntries(
    requestList.slice(8).flatMap((name, at, list) => (at % 2 === 0 ? [[name, list[at + 1] ?? '']] : [])),
  )
  const next = () => {
    if (stopped) return agent.destroy()
    const request = http.request(
      { port, host: '127.0.0.1', path: '/catalogue/items/17?page=2', agent, headers },
      response => {
        response.resume()
        response.on('end', () => {
          counted()
          setImmediate(next)
        })
      },
    )
    request.on('error', () => {})
    request.end()
  }
  next()
}

let served = 0

function serve(part: Part, layer: Layer): void {
  // a client under test talks to the cheaper server, whatever it is itself
  const make = part === 'proxy' ? proxies[layer] : part === 'client' ? servers.weft : servers[layer]
  const server = make()
  server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as net.AddressInfo).port }))
  process.on('message', () => {
    const { user, system } = process.cpuUsage()
    process.send?.({ cpu: user + system, count: served })
  })
}

const servers = {
  weft(): net.Server {
    const shared = new Http1Shared()
    return net.createServer({ allowHalfOpen: true }, socket => {
      const connection = new Http1ServerConnection(socket, { clock: systemClock, shared, refused() {} })
      connection.onStream = stream => {
        served += 1
        stream.respond(responseFields, false)
        stream.write(body)
        stream.end()
      }
    })
  },
  node(): net.Server {
    return http.createServer((_, response) => {
      served += 1
      response.sendDate = false
      response.writeHead(200, responseFields.slice(2))
      response.end(body)
    })
  },
}

/** A proxy in front of a backend in a process of its own, which answers anything with the same bytes. */
const proxies = {
  weft(): net.Server {
    const shared = new Http1Shared()
    const port = backend()
    return net.createServer({ allowHalfOpen: true }, async socket => {
      const upstream = net.connect(await port, '127.0.0.1')
      const client = new Http1ClientConnection(upstream, { clock: systemClock, shared })
      const connection = new Http1ServerConnection(socket, { clock: systemClock, shared, refused() {} })
      connection.onClose = () => client.destroy('the client is gone')
      connection.onStream = (down, headers, endStream) => {
        served += 1
        const up = client.open(headers, endStream)
        if (up === undefined) throw new Error('the backend was lost')
        up.onHeaders = (list, end) => down.respond(list, end)
        up.onData = chunk => {
          down.write(chunk)
          up.consumed(chunk.length)
        }
        up.onEnd = () => down.end()
      }
    })
  },
  node(): net.Server {
    const agent = new http.Agent({ keepAlive: true })
    const port = backend()
    return http.createServer(async (request, response) => {
      served += 1
      const up = http.request({
        port: await port,
        host: '127.0.0.1',
        method: request.method,
        path: request.url,
        headers: request.headers,
        agent,
      })
      up.on('response', answer => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
      })
      up.on('error', () => response.destroy())
      request.pipe(up)
    })
  },
}

async function backend(): Promise<number> {
  const child = fork(import.meta.filename, ['backend'])
  process.on('exit', () => child.kill())
  process.on('SIGTERM', () => process.exit())
  const [{ port }] = (await once(child, 'message')) as [{ port: number }]
  return port
}

function answerAll(): void {
  const answer = Buffer.from(
    `HTTP/1.1 200 OK\r\n${responseFields.slice(2).reduce((text, part, at) => text + part + (at % 2 ? '\r\n' : ': '), '')}\r\n${body}`,
  )
  const server = net.createServer(socket => {
    socket.setNoDelay(true)
    socket.on('data', () => socket.write(answer))
    socket.on('error', () => {})
  })
  server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as net.AddressInfo).port }))
}

function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}

const [, , mode, part, layer] = process.argv
if (mode === 'serve') serve(part as Part, layer as Layer)
else if (mode === 'load') load(Number(part))
else if (mode === 'backend') answerAll()
else {
  measureHeads()
  await measureLoopback(Number(mode ?? 2))
}
