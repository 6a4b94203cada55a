import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'

/** One recorded answer of test/fixtures/nomad. */
export interface Recording {
  readonly name: string
  readonly method: string
  /** Path and query. */
  readonly path: string
  readonly status: number
  readonly reason: string
  readonly headers: readonly (readonly [string, string])[]
  readonly body: string
}

const folder = new URL('../fixtures/nomad/', import.meta.url)

/** A recorded answer by its name without extension, such as `drain/nodes-draining`. */
export function recording(name: string): Recording {
  const about = JSON.parse(readFileSync(new URL(`${name}.headers.json`, folder), 'utf8'))
  const { request, status, reason = 'OK', headers } = about
  return { name, method: request.method, path: request.path, status, reason, headers, body: bodyOf(name) }
}

/** Names of all recorded answers of a folder (the top one for an empty text). */
export function recordingNames(under = ''): readonly string[] {
  return readdirSync(new URL(under, folder))
    .filter(file => file.endsWith('.headers.json'))
    .map(file => `${under}${file.slice(0, -'.headers.json'.length)}`)
}

function bodyOf(name: string): string {
  try {
    return readFileSync(new URL(`${name}.json`, folder), 'utf8')
  } catch {
    return readFileSync(new URL(`${name}.txt`, folder), 'utf8')
  }
}

/** The bytes of a recorded answer: its headers as they came, the body in one piece. */
export function wireOf({ status, reason, headers, body }: Recording): string {
  const kept = headers.filter(([name]) => name !== 'Transfer-Encoding' && name !== 'Content-Length')
  const lines = [...kept, ['Content-Length', String(Buffer.byteLength(body))] as const]
  return [`HTTP/1.1 ${status} ${reason}`, ...lines.map(([name, value]) => `${name}: ${value}`), '', body].join('\r\n')
}

export interface RawServer {
  readonly address: string
  /** Connections that are open, and how many there ever were. */
  readonly open: number
  readonly total: number
  stop(): Promise<void>
}

/** A server of bytes: `serve` is called for each request with its target; it writes, and may end the socket. */
export async function startRawServer(serve: (target: string, socket: Socket) => void): Promise<RawServer> {
  const sockets = new Set<Socket>()
  let total = 0
  const server = createServer(socket => {
    total += 1
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    let text = ''
    socket.on('data', chunk => {
      text += chunk.toString('latin1')
      for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
        const [, target = '/'] = /^\S+ (\S+)/.exec(text) ?? []
        text = text.slice(end + 4)
        serve(target, socket)
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    address: `http://127.0.0.1:${port}`,
    get open() {
      return sockets.size
    },
    get total() {
      return total
    },
    async stop() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}
