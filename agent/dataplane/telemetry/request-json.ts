import { jsonName, jsonText, timestamp } from './log-text.ts'
import type { PeerLabels } from './peer-labels.ts'
import type { RequestRecord } from './request-record.ts'

/**
 * A request's line as JSON with the keys of Istio (`EnvoyJSONLogFormatIstio`), then ours, and its line feed. What is
 * absent is null, and numbers are numbers, except for the header that `upstream_service_time` is.
 */
export function requestAsJson(record: RequestRecord): string {
  const { upstreamServiceMs: service } = record
  return (
    `{"start_time":"${timestamp(record.startedAt)}","method":${orNull(record.method)},"path":${orNull(record.path)}` +
    `,"protocol":"${record.protocol}","response_code":${record.status},"response_flags":"${record.flags || '-'}"` +
    `,"response_code_details":${nameOrNull(record.codeDetails)}` +
    `,"connection_termination_details":${orNull(record.terminationDetails)}` +
    `,"upstream_transport_failure_reason":${orNull(record.transportFailure)}` +
    `,"bytes_received":${record.bytesReceived},"bytes_sent":${record.bytesSent}` +
    `,"duration":${Math.floor(record.durationMs)}` +
    `,"upstream_service_time":${service < 0 ? 'null' : `"${Math.floor(service)}"`}` +
    `,"x_forwarded_for":${orNull(record.forwardedFor)},"user_agent":${orNull(record.userAgent)}` +
    `,"request_id":${orNull(record.requestId)},"authority":${orNull(record.authority)}` +
    `,"upstream_host":${addressOrNull(record.upstreamHost)},"upstream_cluster":${nameOrNull(record.upstreamCluster)}` +
    `,"upstream_local_address":${addressOrNull(record.upstreamLocalAddress)}` +
    `,"downstream_local_address":${addressOrNull(record.downstreamLocalAddress)}` +
    `,"downstream_remote_address":${addressOrNull(record.downstreamRemoteAddress)}` +
    `,"requested_server_name":${orNull(record.requestedServerName)},"route_name":${nameOrNull(record.routeName)}` +
    `,"weft_source":${principal(record.source)},"weft_destination":${principal(record.destination)}` +
    `,"weft_direction":"${record.direction}","weft_reason":"${record.reason}","weft_rule":${nameOrNull(record.rule)}` +
    `${record.detail === '' ? '' : `,"weft_detail":${jsonText(record.detail)}`}}\n`
  )
}

function orNull(text: string): string {
  return text === '' ? 'null' : jsonText(text)
}

function nameOrNull(name: string): string {
  return name === '' ? 'null' : jsonName(name)
}

/** Who it is, as far as a certificate or this agent itself says so. */
function principal(peer: PeerLabels): string {
  return peer.principal === 'unknown' ? 'null' : jsonName(peer.principal)
}

/** For addresses that sockets told us. */
function addressOrNull(address: string): string {
  return address === '' ? 'null' : `"${address}"`
}
