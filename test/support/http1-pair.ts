import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import type { Test } from 'tap'
import type { HeaderList, HttpStream } from '../../agent/dataplane/http/stream.ts'
import { Http1ClientConnection, type Http1ClientOptions } from '../../agent/dataplane/http1/client-connection.ts'
import { Http1ServerConnection, type Http1ServerOptions } from '../../agent/dataplane/http1/server-connection.ts'
import type { Http1Problem } from '../../agent/dataplane/http1/violations.ts'
import { systemClock } from '../../mesh/std/clock.ts'
import { until } from './eventually.ts'

/** A stream with everything that happened on it. */
export interface Seen {
  readonly stream: HttpStream
  readonly headers: HeaderList[]
  readonly data: Buffer[]
  ended: boolean
  endedAtOnce: boolean
  reset: { readonly code: number; readonly reason: string } | undefined
  drains: number
}

/** Records what happens on a stream; payload is given back at once unless `hold`. */
export function watchExchange(stream: HttpStream, first?: HeaderList, endStream = false, hold = false): Seen {
  const seen: Seen = {
    stream,
    headers: first === undefined ? [] : [first],
    data: [],
    ended: endStream,
    endedAtOnce: endStream,
    reset: undefined,
    drains: 0,
  }
  stream.onHeaders = headers => {
    seen.headers.push(headers)
  }
  stream.onData = chunk => {
    seen.data.push(Buffer.from(chunk))
    if (!hold) stream.consumed(chunk.length)
  }
  stream.onEnd = () => {
    seen.ended = true
  }
  stream.onReset = (code, reason) => {
    seen.reset = { code, reason }
  }
  stream.onDrain = () => {
    seen.drains += 1
  }
  return seen
}

/** The payload that has come, as text. */
export function bodyOf(seen: Seen): string {
  return Buffer.concat(seen.data).toString('latin1')
}

export interface ServerWorld {
  readonly port: number
  readonly seen: Seen[]
  readonly problems: Http1Problem[]
  readonly closed: string[]
  readonly connections: Http1ServerConnection[]
  readonly sockets: Socket[]
  /** A raw client, whose answer is collected. */
  client(): Promise<RawClient>
}

/** Codec servers on a port of loopback; `answer` is called for every request. */
export async function codecServer(
  t: Test,
  answer: (seen: Seen, index: number) => void,
  options: Partial<Http1ServerOptions> & { readonly hold?: boolean } = {},
): Promise<ServerWorld> {
  const seen: Seen[] = []
  const problems: Http1Problem[] = []
  const closed: string[] = []
  const connections: Http1ServerConnection[] = []
  const sockets: Socket[] = []
  const server = createServer({ allowHalfOpen: true }, socket => {
    const connection = new Http1ServerConnection(socket, {
      clock: systemClock,
      refused: problem => problems.push(problem),
      ...options,
    })
    connections.push(connection)
    sockets.push(socket)
    connection.onStream = (stream, headers, endStream) => {
      const one = watchExchange(stream, headers, endStream, options.hold)
      seen.push(one)
      answer(one, seen.length - 1)
    }
    connection.onClose = reason => closed.push(reason)
    t.teardown(() => socket.destroy())
  })
  const port = await listening(t, server)
  return { port, seen, problems, closed, connections, sockets, client: () => rawClient(t, port) }
}

/** A client that sends bytes and collects bytes. */
export interface RawClient {
  readonly socket: Socket
  ended: boolean
  lost: string | undefined
  send(text: string | Buffer): void
  text(): string
  /** Waits until the answer contains the text, and returns all of it. */
  expect(part: string): Promise<string>
  /** Waits until the server has closed its side, and returns all that came before. */
  end(): Promise<string>
}

export async function rawClient(t: Test, port: number): Promise<RawClient> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  await once(socket, 'connect')
  return recordSocket(t, socket)
}

/** Collects what comes by a socket. */
export function recordSocket(t: Test, socket: Socket): RawClient {
  const parts: Buffer[] = []
  const client: RawClient = {
    socket,
    ended: false,
    lost: undefined,
    send: text => void socket.write(typeof text === 'string' ? Buffer.from(text, 'latin1') : text),
    text: () => Buffer.concat(parts).toString('latin1'),
    async expect(part) {
      await until(`the text ${JSON.stringify(part)}`, () => {
        if (!client.text().includes(part) && client.ended) throw new Error(`ended with ${client.text()}`)
        return client.text().includes(part)
      })
      return client.text()
    },
    async end() {
      await until('the end', () => client.ended)
      return client.text()
    },
  }
  socket.on('data', (chunk: Buffer) => parts.push(chunk))
  socket.on('end', () => {
    client.ended = true
  })
  socket.on('error', error => {
    client.lost = error.message
  })
  socket.on('close', () => {
    client.ended = true
  })
  t.teardown(() => socket.destroy())
  return client
}

export interface ClientWorld {
  readonly connection: Http1ClientConnection
  readonly closed: string[]
  idles: number
  /** The other end, raw. */
  readonly server: RawClient
}

/** A codec client whose server is the test. */
export async function codecClient(t: Test, options: Partial<Http1ClientOptions> = {}): Promise<ClientWorld> {
  const server = createServer({ allowHalfOpen: true })
  const port = await listening(t, server)
  const accepted = once(server, 'connection')
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  await once(socket, 'connect')
  const [far] = (await accepted) as [Socket]
  const connection = new Http1ClientConnection(socket, { clock: systemClock, ...options })
  const world: ClientWorld = { connection, closed: [], idles: 0, server: recordSocket(t, far) }
  connection.onClose = reason => world.closed.push(reason)
  connection.onIdle = () => {
    world.idles += 1
  }
  t.teardown(() => socket.destroy())
  return world
}

async function listening(t: Test, server: ReturnType<typeof createServer>): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return address.port
}
