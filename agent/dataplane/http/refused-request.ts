import type { Http1Problem } from '../http1/violations.ts'
import type { ThreadState } from '../state.ts'
import { type PeerLabels, unknownPeer } from '../telemetry/peer-labels.ts'
import { RequestRecord } from '../telemetry/request-record.ts'

/** Reports a request that the codec refused before it became one; the answer is on its way. */
export function reportRefused(
  state: ThreadState,
  direction: 'inbound' | 'outbound',
  labels: PeerLabels,
  remoteAddress: string,
  problem: Http1Problem,
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
  record.codeDetails = `http1.${problem.code}`
  record.downstreamRemoteAddress = remoteAddress
  telemetry.http.finish(record)
}
