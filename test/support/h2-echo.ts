import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import tls from 'node:tls'
import type { Test } from 'tap'
import { H2Connection, type H2Options, type HeaderList } from '../../agent/dataplane/h2/connection.ts'
import type { HttpStream } from '../../agent/dataplane/http/stream.ts'
import { systemClock } from '../../mesh/std/clock.ts'
import { h2TlsOptions } from './h2-tls.ts'

export interface EchoServer {
  readonly port: number
  readonly connections: H2Connection[]
  /** Why connections ended. */
  readonly closed: string[]
}

/**
 * A server made of our layer: `CONNECT` and `POST` come back as they are, `GET /bytes/N` gives N bytes, `GET
 * /headers` the request's headers as text. It never holds more than the client's window permits.
 */
export async function startEchoServer(
  t: Test,
  security: 'tls' | 'plain',
  options: Partial<Omit<H2Options, 'clock'>> = {},
): Promise<EchoServer> {
  const connections: H2Connection[] = []
  const closed: string[] = []
  const serve = (socket: Socket) => {
    const connection = new H2Connection(socket, 'server', { ...options, clock: systemClock })
    connections.push(connection)
    connection.onStream = handle
    connection.onClose = reason => closed.push(reason)
  }
  const server = security === 'tls' ? tls.createServer(h2TlsOptions(), serve) : createServer(serve)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  t.teardown(() => {
    for (const connection of connections) connection.destroy('the test is over')
    server.close()
  })
  return { port: address.port, connections, closed }
}

function handle(stream: HttpStream, headers: HeaderList, endStream: boolean): void {
  const method = headers[headers.indexOf(':method') + 1]
  const path = headers[headers.indexOf(':path') + 1] ?? ''
  if (method === 'CONNECT' || method === 'POST') return echo(stream, endStream)
  if (path.startsWith('/bytes/')) return giveBytes(stream, Number(path.slice('/bytes/'.length)))
  const text = Buffer.from(headers.join('\n'))
  stream.respond([':status', '200', 'content-type', 'text/plain', 'content-length', String(text.length)], false)
  stream.write(text)
  stream.end()
}

/** Consumes only what could be sent on. */
function echo(stream: HttpStream, endStream: boolean): void {
  let held = 0
  stream.respond([':status', '200'], endStream)
  stream.onData = chunk => {
    if (stream.write(chunk)) stream.consumed(chunk.length)
    else held += chunk.length
  }
  stream.onDrain = () => {
    stream.consumed(held)
    held = 0
  }
  stream.onEnd = () => stream.end()
}

function giveBytes(stream: HttpStream, total: number): void {
  const chunk = Buffer.alloc(64 * 1024, 0x61)
  let left = total
  const more = () => {
    while (left > 0) {
      const size = Math.min(left, chunk.length)
      left -= size
      if (!stream.write(chunk.subarray(0, size))) return
    }
    stream.end()
  }
  stream.onDrain = more
  stream.respond([':status', '200', 'content-length', String(total)], false)
  more()
}
