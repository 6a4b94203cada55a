import type { Socket } from 'node:net'
import type { ServerTls } from '../../mesh/routing/ingress.ts'
import { hostPort } from './address.ts'
import { peek, silentMs } from './detect/peek.ts'
import { isServerFirst } from './detect/server-first.ts'
import type { InboundPeer } from './hbone/inbound-requests.ts'
import { reportRefused } from './http/refused-request.ts'
import type { RequestHandler } from './http/serve.ts'
import { connectLocal } from './inbound.ts'
import type { Reason } from './reasons.ts'
import type { ThreadState } from './state.ts'
import type { LocalTarget, Table } from './table.ts'
import { join } from './tcp/join.ts'
import { resetSocket } from './tcp/reset.ts'
import { factsOf, peerAddressOf } from './telemetry/facts.ts'
import { unknownPeer } from './telemetry/peer-labels.ts'
import type { ConnectionFacts } from './telemetry/telemetry.ts'

/** How long the first bytes of a connection are waited for whose port does not say what it speaks. */
const detectMs = 200

/** Plaintext connections that are open, so that a stricter policy can end them. */
export class PlaintextConnections {
  readonly #open = new Map<Socket, string>()

  add(socket: Socket, address: string): void {
    this.#open.set(socket, address)
    socket.once('close', () => this.#open.delete(socket))
  }

  /**
   * Cuts the connections that a policy forbids now. Those to a workload that is not declared any more go on, as tunnels
   * do: it is being taken out of service, and finishes what it has.
   */
  judgeAgain(table: Table): void {
    for (const [socket, address] of this.#open) {
      if (table.local.get(address)?.port.mtls === 'STRICT') resetSocket(socket)
    }
  }
}

/**
 * Handles a plaintext connection from outside the host to a declared port: PeerAuthentication decides whether it is
 * served. The caller has no identity.
 */
export function handlePlaintext(socket: Socket, state: ThreadState, open: PlaintextConnections): void {
  new Accepted(socket, state, open).start()
}

class Accepted {
  #socket: Socket
  readonly #state: ThreadState
  readonly #open: PlaintextConnections
  readonly #since: number
  readonly #facts: ConnectionFacts
  #gone = false

  constructor(socket: Socket, state: ThreadState, open: PlaintextConnections) {
    this.#socket = socket
    this.#state = state
    this.#open = open
    this.#since = state.clock.monotonic()
    this.#facts = factsOf('inbound', peerAddressOf(socket))
    socket.on('error', () => {})
    socket.once('close', () => {
      this.#gone = true
    })
  }

  start(): void {
    const { table, draining } = this.#state
    if (draining || table === undefined) return this.#refuse('DRAINING', 'the agent is not ready')
    const original = this.#state.originalDst(this.#socket)
    if (original === undefined) return this.#refuse('NOT_REDIRECTED', '')
    const address = hostPort(original.address, original.port)
    this.#facts.destinationAddress = address
    const target = table.local.get(address)
    if (target === undefined) return this.#refuse('NOT_DECLARED', '')
    describe(this.#facts, target)
    const { mtls, mtlsFrom } = target.port
    if (mtls === 'STRICT') return this.#refuse('MTLS_REQUIRED', `PeerAuthentication ${mtlsFrom}`)
    if (target.tls !== undefined) return this.#secure(target, target.tls)
    this.#serve(target)
  }

  /** Ends the caller's TLS; what is inside is as good as plaintext: the caller has no identity of the mesh. */
  #secure(target: LocalTarget, tls: ServerTls): void {
    // a stricter policy ends what is open, with the connection below
    this.#open.add(this.#socket, this.#facts.destinationAddress)
    this.#state.serverTls.accept(this.#socket, tls, secured => {
      if (secured.kind === 'failed') {
        return this.#refuse(secured.isOwn ? 'NO_CERTIFICATE' : 'BAD_HANDSHAKE', secured.detail)
      }
      this.#socket = secured.socket
      this.#socket.once('close', () => {
        this.#gone = true
      })
      const { port } = target
      if (!tls.carriesHttp) return this.#deliverBytes(target)
      this.#detect({ ...target, port: { ...port, protocol: 'http' } })
    })
  }

  #serve(target: LocalTarget): void {
    const { protocol } = target.port
    const isOpaque = protocol === 'tcp' || protocol === 'tls'
    if (isOpaque || (protocol === 'auto' && isServerFirst(target.port.port))) return this.#deliverBytes(target)
    this.#detect(target)
  }

  #detect(target: LocalTarget): void {
    const declared = target.port.protocol
    peek(this.#socket, this.#state.clock, declared === 'auto' ? detectMs : silentMs, ({ protocol, by }) => {
      if (this.#gone && by === 'nothing') return this.#refuse('CLIENT_RESET', '')
      if (protocol === 'http1' || protocol === 'http2') return this.#deliverRequests(target, protocol)
      if (declared === 'auto') return this.#deliverBytes(target)
      this.#refuse('NOT_HTTP', `port ${target.port.port} is declared ${declared}`)
    })
  }

  #deliverRequests(target: LocalTarget, protocol: 'http1' | 'http2'): void {
    const state = this.#state
    const peer = plaintextPeer(this.#facts.sourceAddress)
    this.#open.add(this.#socket, this.#facts.destinationAddress)
    const handler: RequestHandler = {
      request: (stream, headers, endStream) => {
        state.inboundRequests.request(stream, headers, endStream, peer, target)
      },
      refused: problem => reportRefused(state, 'inbound', unknownPeer, peer.address, problem),
    }
    const scheme = target.tls === undefined ? 'http' : 'https'
    state.httpConnections.serve(this.#socket, protocol, state, handler, scheme)
  }

  #deliverBytes(target: LocalTarget): void {
    const { telemetry } = this.#state
    const socket = this.#socket
    connectLocal(target, this.#state, (local, detail) => {
      if (local === undefined)
        return this.#gone ? this.#refuse('CLIENT_RESET', '') : this.#refuse('LOCAL_CONNECT', detail)
      if (this.#gone) {
        local.resetAndDestroy()
        return this.#refuse('CLIENT_RESET', '')
      }
      const counters = telemetry.metrics.counters({
        reporter: 'destination',
        source: unknownPeer,
        destination: target.labels,
        service: target.service.host,
        serviceName: target.service.name,
        serviceNamespace: target.service.namespace,
        security: 'none',
      })
      const record = telemetry.open(this.#facts, counters, this.#since)
      this.#open.add(socket, this.#facts.destinationAddress)
      join(socket, local, (end, why, sent, received) => {
        record.sent(sent)
        record.received(received)
        record.end(end === 'ok' ? 'OK' : end === 'socket-reset' ? 'CLIENT_RESET' : 'UPSTREAM_RESET', why)
      })
    })
  }

  #refuse(reason: Reason, detail: string): void {
    this.#state.telemetry.refuse(this.#facts, reason, detail, this.#since)
    resetSocket(this.#socket)
  }
}

/** A caller in plaintext has proved nothing. */
function plaintextPeer(address: string): InboundPeer {
  return { identity: '', namespace: '', served: '', certificateHash: '', address, labels: unknownPeer }
}

/** Fills in what is known of the local side. */
export function describe(facts: ConnectionFacts, target: LocalTarget): void {
  facts.destinationService = target.service.host
  facts.destinationIdentity = target.workload.identity ?? ''
  facts.destinationWorkload = target.workload.name
}
