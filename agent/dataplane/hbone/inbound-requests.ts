import type { Duplex } from 'node:stream'
import type { PeerPrincipal } from '../../../mesh/policy/call.ts'
import type { HttpStream } from '../http/stream.ts'
import type { Reason } from '../reasons.ts'
import type { ThreadState } from '../state.ts'
import type { LocalTarget } from '../table.ts'
import type { PeerLabels } from '../telemetry/peer-labels.ts'

/** Who sends a request: the same object for all requests of one caller in one session. */
export interface InboundPeer {
  /** SPIFFE id, from the peer's certificate; its namespace too. */
  readonly identity: string
  readonly namespace: string
  /** The same for policies; undefined in plaintext. */
  readonly principal: PeerPrincipal | undefined
  /** `ip:port` of the peer's end of the session, and the address alone. */
  readonly address: string
  readonly ip: string
  /** The name that TLS of a caller outside the mesh was for, where it ends here; empty without one. */
  readonly serverName: string
  /** SPIFFE id that this host presented: the identity the request is for. */
  readonly served: string
  /** SHA-256 of the peer's certificate, hex. */
  readonly certificateHash: string
  /** What PeerAuthentications of dry runs would have done to the connection; empty for nothing else. */
  readonly dryRun: string
  /** As the caller describes itself, for telemetry only. */
  readonly labels: PeerLabels
}

/** Takes the requests that other agents send as streams of their sessions. */
export interface InboundRequests {
  /**
   * A request has begun, for a declared port of the identity that its sender reached; callbacks are set before
   * returning. `headers` is the callee's; what the mesh added for itself is taken off.
   */
  request(stream: HttpStream, headers: string[], endStream: boolean, from: InboundPeer, target: LocalTarget): void
  /**
   * A tunnel was opened to a port that declares to carry requests, or may carry them: peers that are not ours send them
   * that way. `refuse` is called once if the bytes are none; the socket is destroyed then. With `carry` bytes that are
   * certainly none are left to it, unread.
   */
  tunnel(
    socket: Duplex,
    from: InboundPeer,
    target: LocalTarget,
    refuse: (reason: Reason, detail: string) => void,
    carry?: () => void,
  ): void
}

/** What serving other agents takes of a thread. */
export type HboneState = Pick<
  ThreadState,
  | 'table'
  | 'contexts'
  | 'draining'
  | 'telemetry'
  | 'clock'
  | 'blocks'
  | 'reads'
  | 'inboundRequests'
  | 'liveCalls'
  | 'flows'
>
