import type { TLSSocket } from 'node:tls'
import { formatSpiffeId, parseSpiffeId } from '../../../mesh/identity/spiffe-id.ts'
import { peerSpiffeId } from '../../../mesh/identity/verify.ts'
import type { TrustResource } from '../../../mesh/model/agent-config.ts'
import type { Timer } from '../../../mesh/std/clock.ts'
import { describeError } from '../../../mesh/std/errors.ts'
import type { Reason } from '../reasons.ts'
import { factsOf, peerAddressOf } from '../telemetry/facts.ts'
import type { IdentityContext, TlsContexts } from '../tls-contexts.ts'
import type { HboneState } from './inbound-requests.ts'
import { InboundSession } from './inbound-session.ts'
import { stillTrusted } from './peer-trust.ts'
import { sessionSettings } from './settings.ts'

const sweepMs = 30_000

/** Sessions that peers have opened to this host. */
export class HboneServer {
  readonly #state: HboneState
  readonly #sessions = new Set<InboundSession>()
  #sweep: Timer | undefined

  constructor(state: HboneState) {
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
      const { trustDomain = '', trustDomainAliases } = this.#state.table ?? {}
      const peer = parseSpiffeId(peerSpiffeId(certificate.raw, trustDomain, trustDomainAliases))
      // Agents and servers have certificates of the same mesh, for each other; only workloads call workloads.
      if (peer.kind !== 'workload') throw new Error(`${formatSpiffeId(peer)} is no workload`)
      if (this.#state.contexts.bans.has(formatSpiffeId(peer), certificate)) {
        return this.#refuse(socket, served, peerAddress, 'PEER_BANNED', formatSpiffeId(peer), since)
      }
      const settings = sessionSettings(socket.alpnProtocol)
      if (settings === undefined) throw new Error('the peer speaks neither weft/1 nor h2')
      const session = new InboundSession(
        this.#state,
        socket,
        settings,
        served,
        peer,
        peerAddress,
        certificate.validToDate.getTime(),
      )
      this.#sessions.add(session)
      session.connection.onClose = () => this.#sessions.delete(session)
      this.#startSweep()
    } catch (error) {
      this.#refuse(socket, served, peerAddress, 'PEER_CERTIFICATE', describeError(error), since)
    }
  }

  #refuse(socket: TLSSocket, served: string, peer: string, reason: Reason, detail: string, since: number): void {
    const facts = factsOf('inbound', peer)
    facts.destinationIdentity = served
    this.#state.telemetry.refuse(facts, reason, detail, since)
    socket.destroy()
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
