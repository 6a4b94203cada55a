import type { Socket } from 'node:net'
import type { ServerTls } from '../../mesh/routing/ingress.ts'
import { hostPort, plainAddress } from './address.ts'
import { detectTls, type Peeked, peek, silentMs } from './detect/peek.ts'
import { isServerFirst } from './detect/server-first.ts'
import type { InboundPeer } from './hbone/inbound-requests.ts'
import { reportRefused } from './http/refused-request.ts'
import type { RequestHandler } from './http/serve.ts'
import { connectLocal } from './inbound.ts'
import { carriesBytes, mustTellRequests, notHttp, withPolicyOf } from './policy/calls.ts'
import { LiveConnection, plaintextDryRun, refusalOf } from './policy/connections.ts'
import type { LiveCall } from './policy/live-calls.ts'
import type { PreparedPolicy } from './policy/target-policy.ts'
import type { Reason } from './reasons.ts'
import type { ThreadState } from './state.ts'
import type { LocalTarget } from './table.ts'
import { join } from './tcp/join.ts'
import { resetSocket } from './tcp/reset.ts'
import { factsOf, peerAddressOf } from './telemetry/facts.ts'
import { unknownPeer } from './telemetry/peer-labels.ts'
import type { ConnectionFacts, ConnectionRecord } from './telemetry/telemetry.ts'

/** How long the first bytes of a connection are waited for whose port does not say what it speaks. */
const detectMs = 200

/**
 * Handles a plaintext connection from outside the host to a declared port: PeerAuthentication decides whether it is
 * served. The caller has no identity.
 */
export function handlePlaintext(socket: Socket, state: ThreadState): void {
  new Accepted(socket, state).start()
}

class Accepted {
  #socket: Socket
  readonly #state: ThreadState
  readonly #since: number
  readonly #facts: ConnectionFacts
  readonly #ip: string
  /** The name that the caller's TLS is for. */
  #serverName = ''
  #record: ConnectionRecord | undefined
  #live: LiveCall | undefined
  #gone = false
  #isOver = false

  constructor(socket: Socket, state: ThreadState) {
    this.#socket = socket
    this.#state = state
    this.#ip = plainAddress(socket.remoteAddress ?? '')
    this.#since = state.clock.monotonic()
    this.#facts = factsOf('inbound', peerAddressOf(socket))
    socket.on('error', () => {})
    socket.once('close', () => {
      this.#gone = true
      this.#forget()
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
    this.#facts.dryRun = plaintextDryRun(target, this.#state.telemetry) ?? ''
    if (mtls === 'STRICT') {
      this.#state.flows?.saw(this.#peer(), target, false)
      return this.#refuse('MTLS_REQUIRED', `PeerAuthentication ${mtlsFrom}`)
    }
    // a stricter policy ends what is open, whatever becomes of it
    this.#follow(target, undefined)
    if (target.tls !== undefined) return this.#secure(target, target.tls)
    this.#serve(target)
  }

  /** Ends the caller's TLS; what is inside is as good as plaintext: the caller has no identity of the mesh. */
  #secure(target: LocalTarget, tls: ServerTls): void {
    this.#state.serverTls.accept(this.#socket, tls, secured => {
      if (secured.kind === 'failed') {
        return this.#refuse(secured.isOwn ? 'NO_CERTIFICATE' : 'BAD_HANDSHAKE', secured.detail)
      }
      this.#socket = secured.socket
      this.#serverName = secured.serverName
      this.#socket.once('close', () => {
        this.#gone = true
      })
      const { port } = target
      if (!tls.carriesHttp) return this.#deliverBytes(target)
      this.#detect({ ...target, port: { ...port, protocol: 'http' } })
    })
  }

  #serve(target: LocalTarget): void {
    const { protocol, port } = target.port
    if (protocol === 'auto' && isServerFirst(port)) return this.#deliverBytes(target)
    if (carriesBytes(target)) return this.#readServerName(target)
    this.#detect(target)
  }

  /** Where a rule asks for the name that TLS is for, nobody passes before it was told, or that there is none. */
  #readServerName(target: LocalTarget): void {
    if (!target.policy.prepared.asksServerName) return this.#deliverBytes(target)
    const onPeeked = (peeked: Peeked) => {
      if (this.#gone && peeked.by === 'nothing') return this.#refuse('CLIENT_RESET', '')
      this.#deliverPeeked(target, peeked)
    }
    peek(this.#socket, this.#state.clock, silentMs, onPeeked, detectTls)
  }

  #deliverPeeked(target: LocalTarget, { protocol, hello, by }: Peeked): void {
    const isUnread = by === 'timeout' || (protocol === 'tls' && hello === undefined)
    if (isUnread && withPolicyOf(this.#state.table, target).policy.prepared.asksServerName) {
      return this.#refuse('BAD_HANDSHAKE', 'the server name that policies ask for cannot be read')
    }
    this.#serverName = hello?.serverName ?? ''
    this.#deliverBytes(target)
  }

  #detect(target: LocalTarget): void {
    const declared = target.port.protocol
    const mustTell = mustTellRequests(target)
    peek(this.#socket, this.#state.clock, declared === 'auto' && !mustTell ? detectMs : silentMs, peeked => {
      const { protocol, by } = peeked
      if (this.#gone && by === 'nothing') return this.#refuse('CLIENT_RESET', '')
      if (protocol === 'http1' || protocol === 'http2') return this.#deliverRequests(target, protocol)
      if (declared === 'auto' && !(mustTell && by === 'timeout')) return this.#deliverPeeked(target, peeked)
      this.#refuse('NOT_HTTP', notHttp(target))
    })
  }

  #deliverRequests(target: LocalTarget, protocol: 'http1' | 'http2'): void {
    const state = this.#state
    const peer = this.#peer()
    const handler: RequestHandler = {
      request: (stream, headers, endStream) => {
        state.inboundRequests.request(stream, headers, endStream, peer, target)
      },
      refused: problem => reportRefused(state, 'inbound', unknownPeer, peer.address, problem),
    }
    const scheme = target.tls === undefined ? 'http' : 'https'
    state.httpConnections.serve(this.#socket, protocol, state, handler, scheme)
  }

  #deliverBytes(accepted: LocalTarget): void {
    const { table, telemetry } = this.#state
    const target = withPolicyOf(table, accepted)
    const socket = this.#socket
    const refusal = refusalOf(this.#peer(), target, this.#facts, telemetry)
    this.#state.flows?.saw(this.#peer(), target, refusal === undefined)
    if (refusal !== undefined) return this.#refuse('AUTHORIZATION_DENIED', refusal)
    this.#follow(target, target.policy.prepared)
    connectLocal(target, this.#state, (local, detail) => {
      if (this.#isOver) return void local?.resetAndDestroy()
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
      this.#record = record
      join(socket, local, (end, why, sent, received) => {
        record.sent(sent)
        record.received(received)
        record.end(end === 'ok' ? 'OK' : end === 'socket-reset' ? 'CLIENT_RESET' : 'UPSTREAM_RESET', why)
      })
    })
  }

  /** Lets changes of policies end the connection; `judgedBy` when it carries bytes, and was judged as such. */
  #follow(target: LocalTarget, judgedBy: PreparedPolicy | undefined): void {
    this.#forget()
    if (this.#gone) return
    const live = new LiveConnection(this.#peer(), target, judgedBy, (reason, detail) => this.#cut(reason, detail))
    this.#live = live
    this.#state.liveCalls.add(live)
  }

  #forget(): void {
    if (this.#live !== undefined) this.#state.liveCalls.delete(this.#live)
    this.#live = undefined
  }

  /** Requests that it carries are reported each for itself. */
  #cut(reason: Reason, detail: string): void {
    this.#record?.end(reason, detail)
    if (this.#record === undefined) return this.#refuse(reason, detail)
    this.#forget()
    resetSocket(this.#socket)
  }

  /** A caller in plaintext has proved nothing. */
  #peer(): InboundPeer {
    const address = this.#facts.sourceAddress
    return { ...nobody, address, ip: this.#ip, serverName: this.#serverName, dryRun: this.#facts.dryRun }
  }

  #refuse(reason: Reason, detail: string): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#forget()
    this.#state.telemetry.refuse(this.#facts, reason, detail, this.#since)
    resetSocket(this.#socket)
  }
}

const nobody = {
  identity: '',
  namespace: '',
  principal: undefined,
  served: '',
  certificateHash: '',
  labels: unknownPeer,
} as const

/** Fills in what is known of the local side. */
export function describe(facts: ConnectionFacts, target: LocalTarget): void {
  facts.destinationService = target.service.host
  facts.destinationIdentity = target.workload.identity ?? ''
  facts.destinationWorkload = target.workload.name
}
