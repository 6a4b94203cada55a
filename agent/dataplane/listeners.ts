import { createServer, type Server, type Socket } from 'node:net'
import { describeError } from '../../mesh/std/errors.ts'
import { ConnectionLimit } from './connection-limit.ts'
import { createHboneListener } from './hbone/listener.ts'
import type { HboneServer } from './hbone/server.ts'
import { handlePlaintext } from './inbound-plaintext.ts'
import type { BoundListener, ListenerSpec } from './messages.ts'
import { handleOutbound } from './outbound.ts'
import type { ThreadState } from './state.ts'
import { factsOf, peerAddressOf } from './telemetry/facts.ts'
import type { TlsContexts } from './tls-contexts.ts'

const backlog = 4096
/** When a peer that says nothing is asked for a sign of life by TCP; ten seconds without one end the connection. */
const keepAliveMs = 60_000

interface OpenListener {
  readonly spec: ListenerSpec
  readonly server: Server
  readonly port: number
  readonly present?: (contexts: TlsContexts) => void
}

/** The listening sockets of one data thread; every thread has its own on the same ports, and the kernel deals. */
export class Listeners {
  readonly #open = new Map<string, OpenListener>()
  readonly #state: ThreadState
  readonly #hbone: HboneServer
  readonly #limit: ConnectionLimit
  readonly sockets = new Set<Socket>()

  /** At most `maxConnections` are open at once, and at most half of those from one other host. */
  constructor(state: ThreadState, hbone: HboneServer, maxConnections: number) {
    this.#state = state
    this.#limit = new ConnectionLimit(maxConnections, Math.ceil(maxConnections / 2))
    this.#hbone = hbone
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
    const made = this.#make(spec)
    try {
      const port = await listen(made.server, spec)
      this.#open.set(spec.name, { spec, port, ...made })
      return { name: spec.name, port }
    } catch (error) {
      return { name: spec.name, error: describeError(error) }
    }
  }

  /** Takes over new contexts; connections that are open are the sessions' affair. */
  present(contexts: TlsContexts): void {
    for (const { present } of this.#open.values()) present?.(contexts)
  }

  #make(spec: ListenerSpec): Pick<OpenListener, 'server' | 'present'> {
    const { role } = spec
    const options = { allowHalfOpen: true, noDelay: true, pauseOnConnect: true }
    switch (role.kind) {
      case 'egress':
      case 'outbound':
        return {
          server: createServer(options, socket => {
            if (this.#track(socket, 'outbound')) handleOutbound(socket, role, this.#state)
          }),
        }
      case 'inbound-plaintext':
        return {
          server: createServer(options, socket => {
            if (this.#track(socket, 'inbound')) handlePlaintext(socket, this.#state)
          }),
        }
      case 'hbone': {
        const listener = createHboneListener(this.#state, this.#hbone, socket => this.#track(socket, 'inbound'))
        listener.present(this.#state.contexts)
        return listener
      }
    }
  }

  /** Counts a connection in, or refuses it: false. Callers of this host are not told apart by their address. */
  #track(socket: Socket, direction: 'inbound' | 'outbound'): boolean {
    const source = direction === 'inbound' ? socket.remoteAddress : undefined
    // Nothing that happens on a socket may end the thread.
    socket.on('error', () => {})
    if (!this.#limit.take(source)) {
      const { telemetry, clock } = this.#state
      const facts = factsOf(direction, peerAddressOf(socket))
      telemetry.refuse(facts, 'TOO_MANY_CONNECTIONS', '', clock.monotonic())
      socket.resetAndDestroy()
      return false
    }
    this.sockets.add(socket)
    // A caller of this host cannot vanish without its kernel saying so.
    if (direction === 'inbound') socket.setKeepAlive(true, keepAliveMs)
    socket.once('close', () => {
      this.sockets.delete(socket)
      this.#limit.release(source)
    })
    return true
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
