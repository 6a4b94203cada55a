import type { Socket } from 'node:net'
import { hostPort } from './address.ts'
import { peek } from './detect/peek.ts'
import { isServerFirst } from './detect/server-first.ts'
import type { InboundPeer } from './hbone/inbound-requests.ts'
import { InboundExchange } from './http/inbound-exchange.ts'
import { reportRefused } from './http/refused-request.ts'
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
  const since = state.clock.monotonic()
  const { table, telemetry } = state
  const facts = factsOf('inbound', peerAddressOf(socket))
  let gone = false
  socket.on('error', () => {})
  socket.once('close', () => {
    gone = true
  })
  const refuse = (reason: Reason, detail: string) => {
    telemetry.refuse(facts, reason, detail, since)
    socket.resetAndDestroy()
  }

  if (state.draining || table === undefined) return refuse('DRAINING', 'the agent is not ready')
  const original = state.originalDst(socket)
  if (original === undefined) return refuse('NOT_REDIRECTED', '')
  const address = hostPort(original.address, original.port)
  facts.destinationAddress = address
  const target = table.local.get(address)
  if (target === undefined) return refuse('NOT_DECLARED', '')
  describe(facts, target)
  if (target.port.mtls === 'STRICT') return refuse('MTLS_REQUIRED', `PeerAuthentication ${target.port.mtlsFrom}`)

  const http = (protocol: 'http1' | 'http2') => {
    open.add(socket, address)
    const peer = plaintextPeer(facts.sourceAddress)
    state.httpConnections.serve(socket, protocol, state, {
      request: (stream, headers, endStream) => {
        new InboundExchange(state, stream, headers, endStream, peer, target)
      },
      refused: problem => reportRefused(state, 'inbound', unknownPeer, facts.sourceAddress, problem),
    })
  }
  const declared = target.port.protocol
  if (declared === 'tcp' || declared === 'tls' || (declared === 'auto' && isServerFirst(target.port.port)))
    return bytes()
  peek(socket, state.clock, declared === 'auto' ? detectMs : 0, ({ protocol, by }) => {
    if (gone && by === 'nothing') return refuse('CLIENT_RESET', '')
    if (protocol === 'http1' || protocol === 'http2') return http(protocol)
    if (declared === 'auto') return bytes()
    refuse('NOT_HTTP', `port ${target.port.port} is declared ${declared}`)
  })

  function bytes(): void {
    if (target === undefined) return
    connectLocal(target, state, (local, detail) => {
      if (local === undefined) return gone ? refuse('CLIENT_RESET', '') : refuse('LOCAL_CONNECT', detail)
      if (gone) {
        local.resetAndDestroy()
        return refuse('CLIENT_RESET', '')
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
      const record = telemetry.open(facts, counters, since)
      open.add(socket, address)
      join(socket, local, (end, why, sent, received) => {
        record.sent(sent)
        record.received(received)
        record.end(end === 'ok' ? 'OK' : end === 'socket-reset' ? 'CLIENT_RESET' : 'UPSTREAM_RESET', why)
      })
    })
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
