import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { formatSpiffeId, type SpiffeId } from '../../../mesh/identity/spiffe-id.ts'
import type { PeerPrincipal } from '../../../mesh/policy/call.ts'
import { canonicalHostPort, plainAddress } from '../address.ts'
import { H2Connection } from '../h2/connection.ts'
import { h2Error } from '../h2/frames.ts'
import type { H2Options } from '../h2/options.ts'
import type { HeaderList, HttpStream } from '../http/stream.ts'
import { connectLocal } from '../inbound.ts'
import { describe } from '../inbound-plaintext.ts'
import { mustTellRequests } from '../policy/calls.ts'
import { LiveConnection, refusalOf } from '../policy/connections.ts'
import type { Reason } from '../reasons.ts'
import { resetSocket } from '../tcp/reset.ts'
import { splice, streamCancel } from '../tcp/splice.ts'
import { factsOf } from '../telemetry/facts.ts'
import type { PeerLabels } from '../telemetry/peer-labels.ts'
import type { ConnectionFacts, ConnectionRecord } from '../telemetry/telemetry.ts'
import { peerOfBaggage } from './baggage.ts'
import { carryBytes } from './carried-bytes.ts'
import type { HboneState, InboundPeer } from './inbound-requests.ts'
import { takeMeshFields } from './request-fields.ts'
import { headerOf, reasonHeader } from './tunnel.ts'
import { tunnelSocket } from './tunnel-socket.ts'

/** Callers of one peer whose labels are kept. */
const maxCallers = 100

/** One peer's session: everything in it has the same two identities. */
export class InboundSession {
  readonly connection: H2Connection
  readonly socket: TLSSocket
  /** The identity that this host presented. */
  readonly served: string
  /** Milliseconds since 1970. */
  readonly peerExpiresAt: number
  readonly #state: HboneState
  readonly #peer: string
  readonly #principal: PeerPrincipal
  readonly #peerAddress: string
  readonly #peerIp: string
  readonly #certificateHash: string
  readonly #peers = new Map<string, InboundPeer>()

  /** `settings` are those of the protocol that was agreed on; in the dialect `weft` a peer may send requests too. */
  constructor(
    state: HboneState,
    socket: TLSSocket,
    settings: Omit<H2Options, 'clock' | 'blocks'>,
    served: string,
    peer: SpiffeId & { readonly kind: 'workload' },
    peerAddress: string,
    peerExpiresAt: number,
  ) {
    this.#state = state
    this.socket = socket
    this.served = served
    this.peerExpiresAt = peerExpiresAt
    this.#peer = formatSpiffeId(peer)
    this.#principal = peer
    this.#peerAddress = peerAddress
    this.#peerIp = plainAddress(socket.remoteAddress ?? '')
    const fingerprint = socket.getPeerX509Certificate()?.fingerprint256 ?? ''
    this.#certificateHash = fingerprint.replaceAll(':', '').toLowerCase()
    socket.setNoDelay(true)
    const { clock, blocks, reads } = state
    this.connection = new H2Connection(socket, 'server', { ...settings, clock, blocks, reads })
    const takesRequests = settings.dialect === 'weft'
    this.connection.onStream = (stream, headers, endStream) => {
      if (!takesRequests || headerOf(headers, ':method') === 'CONNECT') this.#tunnel(stream, headers, endStream)
      else this.#request(stream, headers, endStream)
    }
  }

  /** Hands a request on whose port is one of the identity that the peer has reached. */
  #request(stream: HttpStream, headers: string[], endStream: boolean): void {
    const { destination, source } = takeMeshFields(headers)
    const { table, inboundRequests } = this.#state
    if (destination === undefined) return this.#refuseRequest(stream, '', '400', 'BAD_REQUEST', 'no destination')
    if (table === undefined) return this.#refuseRequest(stream, destination, '503', 'DRAINING', notReady)
    const target = table.local.get(destination)
    if (target === undefined) return this.#refuseRequest(stream, destination, '404', 'NOT_DECLARED', '')
    const { identity = 'no identity' } = target.workload
    if (identity !== this.served) {
      return this.#refuseRequest(stream, destination, '421', 'WRONG_WORKLOAD', `${destination} belongs to ${identity}`)
    }
    inboundRequests.request(stream, headers, endStream, this.#caller(source), target)
  }

  #refuseRequest(stream: HttpStream, destination: string, status: string, reason: Reason, detail: string): void {
    const facts = this.#facts(destination)
    this.#state.telemetry.refuse(facts, reason, detail, this.#state.clock.monotonic())
    stream.onData = chunk => stream.consumed(chunk.length)
    stream.respond([':status', status, reasonHeader, reasonText(reason, detail), 'content-length', '0'], true)
    stream.reset(h2Error.noError)
  }

  #facts(destination: string): ConnectionFacts {
    const facts = factsOf('inbound', this.#peerAddress)
    facts.sourceIdentity = this.#peer
    facts.destinationIdentity = this.served
    facts.hboneAddress = this.#peerAddress
    facts.destinationAddress = destination.slice(0, 64)
    return facts
  }

  #tunnel(stream: HttpStream, headers: HeaderList, endStream: boolean): void {
    const { telemetry, table } = this.#state
    const since = this.#state.clock.monotonic()
    const authority = headerOf(headers, ':authority')
    const facts = this.#facts(authority ?? '')

    const refuse = (status: string, reason: Reason, detail: string) => {
      telemetry.refuse(facts, reason, detail, since)
      stream.onReset = undefined
      stream.onData = chunk => stream.consumed(chunk.length)
      // which policy there is, is for those who may read policies
      const told = reason === 'AUTHORIZATION_DENIED' ? '' : detail
      stream.respond([':status', status, reasonHeader, reasonText(reason, told)], true)
    }

    if (headerOf(headers, ':method') !== 'CONNECT' || authority === undefined) {
      return refuse('400', 'BAD_REQUEST', 'only CONNECT to an address and port is served here')
    }
    const peer = this.#caller(headerOf(headers, 'baggage'))
    const source = peer.labels
    facts.sourceWorkload = source.workload
    if (this.#state.draining || table === undefined) return refuse('503', 'DRAINING', notReady)
    const target = table.local.get(authority) ?? table.local.get(canonicalHostPort(authority) ?? '')
    if (target === undefined) return refuse('404', 'NOT_DECLARED', '')
    describe(facts, target)
    if (target.workload.identity !== this.served) {
      return refuse('421', 'WRONG_WORKLOAD', `${authority} belongs to ${target.workload.identity ?? 'no identity'}`)
    }
    const { protocol } = target.port
    if (protocol === 'http' || protocol === 'http2' || protocol === 'grpc') {
      // A peer that is not ours tunnels requests too, and what is said of requests holds for them.
      stream.respond([':status', '200'], false)
      return this.#state.inboundRequests.tunnel(tunnelSocket(stream), peer, target, (reason, detail) => {
        telemetry.refuse(facts, reason, detail, since)
      })
    }

    if (mustTellRequests(target)) {
      stream.respond([':status', '200'], false)
      const socket = tunnelSocket(stream)
      const tell = (reason: Reason, detail: string) => telemetry.refuse(facts, reason, detail, since)
      return this.#state.inboundRequests.tunnel(socket, peer, target, tell, () => {
        carryBytes(this.#state, socket, peer, target, facts, tell)
      })
    }

    const refusal = refusalOf(peer, target, facts, telemetry)
    this.#state.flows?.saw(peer, target, refusal === undefined)
    if (refusal !== undefined) return refuse('403', 'AUTHORIZATION_DENIED', refusal)

    const { liveCalls } = this.#state
    let reset = false
    let ended = endStream
    let carried: { readonly record: ConnectionRecord; readonly local: Socket } | undefined
    const live = new LiveConnection(peer, target, target.policy.prepared, (reason, detail) => {
      liveCalls.delete(live)
      if (carried === undefined) {
        connecting.cancel()
        return refuse('403', reason, detail)
      }
      carried.record.end(reason, detail)
      resetSocket(carried.local)
    })
    liveCalls.add(live)
    const connecting = connectLocal(target, this.#state, (local, detail) => {
      if (local === undefined) {
        liveCalls.delete(live)
        return refuse('503', 'LOCAL_CONNECT', detail)
      }
      if (reset) return local.resetAndDestroy()
      const counters = telemetry.metrics.counters({
        reporter: 'destination',
        source,
        destination: target.labels,
        service: target.service.host,
        serviceName: target.service.name,
        serviceNamespace: target.service.namespace,
        security: 'mutual_tls',
      })
      const record = telemetry.open(facts, counters, since)
      carried = { record, local }
      stream.respond([':status', '200'], false)
      splice(local, stream, {
        fromSocket: bytes => record.received(bytes),
        fromStream: bytes => record.sent(bytes),
        ended: (end, why) => {
          liveCalls.delete(live)
          record.end(end === 'ok' ? 'OK' : end === 'socket-reset' ? 'UPSTREAM_RESET' : 'CLIENT_RESET', why)
        },
      })
      if (ended) stream.onEnd?.()
    })
    stream.onReset = (_code, detail) => {
      reset = true
      liveCalls.delete(live)
      connecting.cancel()
      telemetry.refuse(facts, 'CLIENT_RESET', detail, since)
    }
    stream.onEnd = () => {
      ended = true
    }
    // A peer that does not wait for the answer breaks the protocol's promise that a refused tunnel carried nothing.
    stream.onData = () => {
      liveCalls.delete(live)
      connecting.cancel()
      stream.onReset = undefined
      stream.reset(streamCancel)
      telemetry.refuse(facts, 'BAD_REQUEST', 'payload before the answer to CONNECT', since)
    }
  }

  /** Who is calling, as its baggage says. */
  #caller(baggage: string | undefined): InboundPeer {
    const key = baggage ?? ''
    let caller = this.#peers.get(key)
    if (caller === undefined) {
      if (this.#peers.size >= maxCallers) this.#peers.clear()
      caller = this.#learn(peerOfBaggage(baggage, this.#peer, this.#principal.namespace))
      this.#peers.set(key, caller)
    }
    return caller
  }

  #learn(labels: PeerLabels): InboundPeer {
    return {
      identity: this.#peer,
      namespace: this.#principal.namespace,
      principal: this.#principal,
      address: this.#peerAddress,
      ip: this.#peerIp,
      serverName: '',
      dryRun: '',
      served: this.served,
      certificateHash: this.#certificateHash,
      labels,
    }
  }
}

const notReady = 'the agent is not ready'

function reasonText(reason: Reason, detail: string): string {
  return detail === '' ? reason : `${reason} ${printable(detail)}`
}

/** Header values carry visible ASCII only. */
function printable(text: string): string {
  return text.replace(/[^ -~]/g, '?').slice(0, 200)
}
