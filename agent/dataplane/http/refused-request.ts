import type { ThreadState } from '../state.ts'
import { type PeerLabels, unknownPeer } from '../telemetry/peer-labels.ts'
import { RequestRecord } from '../telemetry/request-record.ts'

/** A request that a codec refused before anybody saw it; what is not known of it is empty. */
export interface RefusedRequest {
  readonly status: number
  /** Envoy's words: `http1.host`. */
  readonly codeDetails: string
  readonly detail: string
  readonly method: string
  readonly path: string
  readonly authority: string
}

/** Reports a request that the codec refused before it became one; the answer is on its way. */
export function reportRefused(
  state: ThreadState,
  direction: 'inbound' | 'outbound',
  labels: PeerLabels,
  remoteAddress: string,
  problem: RefusedRequest,
): void {
  const { clock, telemetry } = state
  const record = new RequestRecord(direction, clock.monotonic(), clock.now(), labels, unknownPeer)
  record.method = problem.method
  record.path = problem.path
  record.authority = problem.authority
  record.status = problem.status
  record.reason = problem.status === 431 ? 'HEADERS_TOO_LARGE' : 'BAD_HTTP_REQUEST'
  record.detail = problem.detail
  record.flags = 'DPE'
  record.codeDetails = problem.codeDetails
  record.downstreamRemoteAddress = remoteAddress
  telemetry.http.finish(record)
}
