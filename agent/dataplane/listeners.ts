import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import { describeError } from '../../mesh/std/errors.ts'
import type { HboneServer } from './hbone/server.ts'
import { handlePlaintext, type PlaintextConnections } from './inbound-plaintext.ts'
import type { BoundListener, ListenerSpec } from './messages.ts'
import { handleOutbound } from './outbound.ts'
import type { ThreadState } from './state.ts'

const handshakeTimeoutMs = 5_000
const backlog = 4096

/** The listening sockets of one data thread; every thread has its own on the same ports, and the kernel deals. */
export class Listeners {
  readonly #open = new Map<string, { readonly spec: ListenerSpec; readonly server: Server; readonly port: number }>()
  readonly #state: ThreadState
  readonly #hbone: HboneServer
  readonly #plaintext: PlaintextConnections
  readonly sockets = new Set<Socket>()

  constructor(state: ThreadState, hbone: HboneServer, plaintext: PlaintextConnections) {
    this.#state = state
    this.#hbone = hbone
    this.#plaintext = plaintext
  }

  /** Makes exactly these listeners open; those that stay as they are keep their socket. */
  async set(specs: readonly ListenerSpec[]): Promise<readonly BoundListener[]> {
    for (const [name, { spec, server }] of [...this.#open]) {
      if (specs.some(wanted => sameSpec(wanted, spec))) continue
      server.close()
      this.#open.delete(name)
    }
    return await Promise.all(specs.map(spec => this.#bind(spec)))
  }

  close(): void {
    for (const { server } of this.#open.values()) server.close()
    this.#open.clear()
  }

  async #bind(spec: ListenerSpec): Promise<BoundListener> {
    const open = this.#open.get(spec.name)
    if (open !== undefined) return { name: spec.name, port: open.port }
    const server = this.#server(spec)
    try {
      const port = await listen(server, spec)
      this.#open.set(spec.name, { spec, server, port })
      return { name: spec.name, port }
    } catch (error) {
      return { name: spec.name, error: describeError(error) }
    }
  }

  #server(spec: ListenerSpec): Server {
    const { role } = spec
    const options = { allowHalfOpen: true, noDelay: true, pauseOnConnect: true }
    switch (role.kind) {
      case 'outbound':
        return createServer(options, socket => handleOutbound(this.#track(socket), role, this.#state))
      case 'inbound-plaintext':
        return createServer(options, socket => handlePlaintext(this.#track(socket), this.#state, this.#plaintext))
      case 'hbone':
        return this.#hboneServer()
    }
  }

  #hboneServer(): Server {
    const server = createTlsServer({
      ALPNProtocols: ['h2'],
      requestCert: true,
      rejectUnauthorized: true,
      handshakeTimeout: handshakeTimeoutMs,
      SNICallback: (serverName, done) => {
        const context = this.#state.contexts.forServerName(serverName)
        if (context === undefined) return done(new Error('no workload of this host has this identity'))
        done(null, context.secureContext)
      },
    })
    server.on('connection', (socket: Socket) => this.#track(socket))
    server.on('secureConnection', (socket: TLSSocket & { servername?: string | false }) => {
      const asked = typeof socket.servername === 'string' ? socket.servername : ''
      const context = this.#state.contexts.forServerName(asked)
      if (context === undefined || socket.alpnProtocol !== 'h2' || !socket.authorized) return socket.destroy()
      this.#hbone.accept(socket, context.identity)
    })
    server.on('tlsClientError', (_error, socket) => {
      this.#state.telemetry.metrics.refused('inbound', 'PEER_CERTIFICATE')
      socket.destroy()
    })
    return server
  }

  #track(socket: Socket): Socket {
    this.sockets.add(socket)
    socket.setKeepAlive(true, 60_000)
    socket.once('close', () => this.sockets.delete(socket))
    return socket
  }
}

function listen(server: Server, spec: ListenerSpec): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    const options = { host: spec.host, port: spec.port, backlog, reusePort: true, ipv6Only: spec.host.includes(':') }
    server.listen(options, () => {
      server.off('error', reject)
      // An accept that fails (no descriptors left) is tried again by the next one; the thread goes on.
      server.on('error', () => {})
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : spec.port)
    })
  })
}

function sameSpec(a: ListenerSpec, b: ListenerSpec): boolean {
  if (a.name !== b.name || a.host !== b.host || a.port !== b.port || a.role.kind !== b.role.kind) return false
  if (a.role.kind !== 'outbound' || b.role.kind !== 'outbound') return true
  return a.role.identity === b.role.identity && a.role.workload === b.role.workload
}
