import { createServer, type Server, type Socket } from 'node:net'
import { systemClock } from '../../mesh/std/clock.ts'
import { parseMessage, type WireMessage } from './http1-message.ts'
import type { ObservedRequest, Pair, RecordedCluster, UpstreamBehaviour } from './istio-routes.ts'

/** By this header an upstream knows which case a request is of; it is no part of what is recorded. */
export const caseHeader = 'x-case'

/** What came of one case: its tries in order, and the copies that mirrors sent. */
export interface Arrivals {
  readonly tries: ObservedRequest[]
  readonly shadows: ObservedRequest[]
}

/**
 * The upstream of recorded requests: a bare HTTP/1.1 server that knows by the address it was reached at which cluster it
 * is, does what the case says of each try, and keeps what arrives as it stood on the wire.
 */
export class EchoUpstream {
  readonly #servers: Server[] = []
  readonly #sockets = new Set<Socket>()
  readonly #behaviours = new Map<string, readonly UpstreamBehaviour[]>()
  readonly #arrivals = new Map<string, Arrivals>()

  /** Listens as a cluster; gives the port. */
  async listen(cluster: RecordedCluster, host = '127.0.0.1', port = 0): Promise<number> {
    const server = createServer(socket => this.#serve(socket, cluster))
    this.#servers.push(server)
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, host, resolve)
    })
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('the upstream has no port')
    return address.port
  }

  /** Says how the tries of a case are answered, the last entry repeating. */
  expect(id: string, behaviour: readonly UpstreamBehaviour[] = []): void {
    this.#behaviours.set(id, behaviour)
    this.#arrivals.set(id, { tries: [], shadows: [] })
  }

  arrivals(id: string): Arrivals {
    const found = this.#arrivals.get(id)
    if (found === undefined) throw new Error(`nobody expects ${id}`)
    return found
  }

  close(): void {
    for (const server of this.#servers) server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #serve(socket: Socket, cluster: RecordedCluster): void {
    let bytes = ''
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.toString('latin1')
      for (;;) {
        const message = parseMessage(bytes, { isRequest: true })
        if (message === undefined) return
        bytes = bytes.slice(message.length)
        this.#answer(socket, cluster, message)
      }
    })
  }

  #answer(socket: Socket, cluster: RecordedCluster, message: WireMessage): void {
    const [method = '', path = ''] = message.startLine.split(' ')
    const id = message.headers.find(([name]) => name === caseHeader)?.[1] ?? ''
    const headers = message.headers.filter(([name]) => name !== caseHeader)
    const arrivals = this.#arrivals.get(id)
    if (arrivals === undefined) throw new Error(`a request of no case: ${message.startLine}`)
    // only who sends a copy says that it comes from a proxy
    const isShadow = headers.some(([name, value]) => name === 'x-envoy-internal' && value === 'true')
    const list = isShadow ? arrivals.shadows : arrivals.tries
    list.push({ cluster, method, path, headers })
    const behaviours = this.#behaviours.get(id) ?? []
    const behaviour = behaviours[Math.min(list.length, behaviours.length) - 1] ?? {}
    const { delay = 0, reset = false } = isShadow ? {} : behaviour
    const act = () => {
      if (reset) socket.destroy()
      else socket.write(response(method, isShadow ? {} : behaviour), 'latin1')
    }
    if (delay === 0) act()
    else systemClock.timer(delay * 1000, act)
  }
}

function response(method: string, { status = 200, headers = [], body = 'ok' }: UpstreamBehaviour): string {
  const fields: Pair[] = [...headers]
  if (!fields.some(([name]) => name === 'content-type')) fields.push(['content-type', 'text/plain'])
  const hasBody = status !== 204 && status !== 304
  if (hasBody) fields.push(['content-length', String(body.length)])
  const text = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  return `HTTP/1.1 ${status} As recorded\r\n${text}\r\n${hasBody && method !== 'HEAD' ? body : ''}`
}
