import type { TLSSocket } from 'node:tls'
import { formatSpiffeId, parseSpiffeId, type SpiffeId } from '../../../mesh/identity/spiffe-id.ts'
import { peerSpiffeId } from '../../../mesh/identity/verify.ts'
import type { TrustResource } from '../../../mesh/model/agent-config.ts'
import type { Timer } from '../../../mesh/std/clock.ts'
import { describeError } from '../../../mesh/std/errors.ts'
import { canonicalHostPort } from '../address.ts'
import { H2Connection } from '../h2/connection.ts'
import type { H2Stream, HeaderList } from '../h2/stream.ts'
import { connectLocal } from '../inbound.ts'
import { describe } from '../inbound-plaintext.ts'
import type { Reason } from '../reasons.ts'
import type { ThreadState } from '../state.ts'
import { splice, streamCancel } from '../tcp/splice.ts'
import { factsOf, peerAddressOf } from '../telemetry/facts.ts'
import type { PeerLabels } from '../telemetry/tcp-metrics.ts'
import type { IdentityContext, TlsContexts } from '../tls-contexts.ts'
import { peerOfBaggage } from './baggage.ts'
import { stillTrusted } from './peer-trust.ts'
import { hboneSettings } from './settings.ts'
import { headerOf, reasonHeader } from './tunnel.ts'

const sweepMs = 30_000

/** Sessions that peers have opened to this host. */
export class HboneServer {
  readonly #state: ThreadState
  readonly #sessions = new Set<InboundSession>()
  #sweep: Timer | undefined

  constructor(state: ThreadState) {
    this.#state = state
  }

  get sessions(): number {
    return this.#sessions.size
  }

  /**
   * Takes over a finished handshake: the chain is verified by TLS, the identity here, before a byte is read.
   * `served` is the identity this host presented. A peer that is not let in is refused.
   */
  accept(socket: TLSSocket, { identity: served }: IdentityContext): void {
    const since = this.#state.clock.monotonic()
    const peerAddress = peerAddressOf(socket)
    try {
      const certificate = socket.getPeerX509Certificate()
      if (certificate === undefined) throw new Error('the peer sent no certificate')
      const peer = parseSpiffeId(peerSpiffeId(certificate.raw, this.#state.table?.trustDomain ?? ''))
      // Agents and servers have certificates of the same mesh, for each other; only workloads call workloads.
      if (peer.kind !== 'workload') throw new Error(`${formatSpiffeId(peer)} is no workload`)
      const session = new InboundSession(
        this.#state,
        socket,
        served,
        peer,
        peerAddress,
        certificate.validToDate.getTime(),
      )
      this.#sessions.add(session)
      session.connection.onClose = () => this.#sessions.delete(session)
      this.#startSweep()
    } catch (error) {
      const facts = factsOf('inbound', peerAddress)
      facts.destinationIdentity = served
      this.#state.telemetry.refuse(facts, 'PEER_CERTIFICATE', describeError(error), since)
      socket.destroy()
    }
  }

  /** Tells every peer to open its next tunnels elsewhere; open ones go on. */
  drain(): void {
    for (const session of this.#sessions) session.connection.goaway(0)
  }

  /** Sessions that asked for an identity which has left this host take no more tunnels; open ones go on. */
  renew(contexts: TlsContexts): void {
    for (const session of this.#sessions) {
      if (contexts.of(session.served) === undefined) session.connection.goaway(0)
    }
  }

  /** Closes at once the sessions, with all they carry, whose peers this bundle would not believe. */
  judgeAgain(trust: TrustResource): void {
    const now = this.#state.clock.now()
    for (const session of this.#sessions) {
      if (!stillTrusted(session.socket, trust, now)) {
        session.connection.destroy('the peer’s certificate is not trusted any more')
      }
    }
  }

  destroy(): void {
    this.#sweep?.cancel()
    for (const session of this.#sessions) session.connection.destroy('the agent stopped')
  }

  /** A session must not outlive its certificate. Looked at often: timers stand still while a machine sleeps. */
  #startSweep(): void {
    this.#sweep ??= this.#state.clock.timer(sweepMs, () => {
      this.#sweep = undefined
      const now = this.#state.clock.now()
      for (const session of this.#sessions) {
        if (now > session.peerExpiresAt) session.connection.destroy('the peer’s certificate has expired')
      }
      if (this.#sessions.size > 0) this.#startSweep()
    })
  }
}

/** One peer's session: every tunnel in it has the same two identities. */
class InboundSession {
  readonly connection: H2Connection
  readonly socket: TLSSocket
  /** The identity that this host presented. */
  readonly served: string
  /** Milliseconds since 1970. */
  readonly peerExpiresAt: number
  readonly #state: ThreadState
  readonly #peer: string
  readonly #peerNamespace: string
  readonly #peerAddress: string
  readonly #peers = new Map<string, PeerLabels>()

  constructor(
    state: ThreadState,
    socket: TLSSocket,
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
    this.#peerNamespace = peer.namespace
    this.#peerAddress = peerAddress
    socket.setNoDelay(true)
    this.connection = new H2Connection(socket, 'server', {
      ...hboneSettings,
      clock: state.clock,
      blocks: state.blocks,
    })
    this.connection.onStream = (stream, headers, endStream) => this.#tunnel(stream, headers, endStream)
  }

  #tunnel(stream: H2Stream, headers: HeaderList, endStream: boolean): void {
    const { telemetry, table } = this.#state
    const since = this.#state.clock.monotonic()
    const facts = factsOf('inbound', this.#peerAddress)
    facts.sourceIdentity = this.#peer
    facts.destinationIdentity = this.served
    facts.hboneAddress = this.#peerAddress

    const refuse = (status: string, reason: Reason, detail: string) => {
      telemetry.refuse(facts, reason, detail, since)
      stream.onReset = undefined
      stream.onData = chunk => stream.consumed(chunk.length)
      stream.respond([':status', status, reasonHeader, detail === '' ? reason : `${reason} ${printable(detail)}`], true)
    }

    const authority = headerOf(headers, ':authority')
    if (headerOf(headers, ':method') !== 'CONNECT' || authority === undefined) {
      return refuse('400', 'BAD_REQUEST', 'only CONNECT to an address and port is served here')
    }
    facts.destinationAddress = authority.slice(0, 64)
    const source = this.#labels(headerOf(headers, 'baggage'))
    facts.sourceWorkload = source.workload
    if (this.#state.draining || table === undefined) return refuse('503', 'DRAINING', 'the agent is not ready')
    const target = table.local.get(authority) ?? table.local.get(canonicalHostPort(authority) ?? '')
    if (target === undefined) return refuse('404', 'NOT_DECLARED', '')
    describe(facts, target)
    if (target.workload.identity !== this.served) {
      return refuse('421', 'WRONG_WORKLOAD', `${authority} belongs to ${target.workload.identity ?? 'no identity'}`)
    }

    let reset = false
    let ended = endStream
    const connecting = connectLocal(target, this.#state, (local, detail) => {
      if (local === undefined) return refuse('503', 'LOCAL_CONNECT', detail)
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
      stream.respond([':status', '200'], false)
      splice(local, stream, {
        fromSocket: bytes => record.received(bytes),
        fromStream: bytes => record.sent(bytes),
        ended: (end, why) => {
          record.end(end === 'ok' ? 'OK' : end === 'socket-reset' ? 'UPSTREAM_RESET' : 'CLIENT_RESET', why)
        },
      })
      if (ended) stream.onEnd?.()
    })
    stream.onReset = (_code, detail) => {
      reset = true
      connecting.cancel()
      telemetry.refuse(facts, 'CLIENT_RESET', detail, since)
    }
    stream.onEnd = () => {
      ended = true
    }
    // A peer that does not wait for the answer breaks the protocol's promise that a refused tunnel carried nothing.
    stream.onData = () => {
      connecting.cancel()
      stream.onReset = undefined
      stream.reset(streamCancel)
      telemetry.refuse(facts, 'BAD_REQUEST', 'payload before the answer to CONNECT', since)
    }
  }

  #labels(baggage: string | undefined): PeerLabels {
    const key = baggage ?? ''
    let labels = this.#peers.get(key)
    if (labels === undefined) {
      if (this.#peers.size >= 100) this.#peers.clear()
      labels = peerOfBaggage(baggage, this.#peer, this.#peerNamespace)
      this.#peers.set(key, labels)
    }
    return labels
  }
}

/** Header values carry visible ASCII only. */
function printable(text: string): string {
  return text.replace(/[^ -~]/g, '?').slice(0, 200)
}
