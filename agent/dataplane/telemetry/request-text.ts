import { bareName, bareText, quotedName, quotedText, timestamp } from './log-text.ts'
import type { RequestRecord } from './request-record.ts'

/**
 * A request's line in Istio's text format (`EnvoyTextLogFormat`), with our reason and the rule that decided after it,
 * and its line feed. What is absent is `-`.
 */
export function requestAsText(record: RequestRecord): string {
  const flags = record.flags === '' ? '-' : record.flags
  const service = record.upstreamServiceMs < 0 ? '-' : Math.floor(record.upstreamServiceMs)
  return (
    `[${timestamp(record.startedAt)}] "${quotedText(record.method)} ${quotedText(record.path)} ${record.protocol}" ` +
    `${record.status} ${flags} ${bareName(record.codeDetails)} ${bareText(record.terminationDetails)} ` +
    `"${quotedText(record.transportFailure)}" ${record.bytesReceived} ${record.bytesSent} ` +
    `${Math.floor(record.durationMs)} ${service} "${quotedText(record.forwardedFor)}" ` +
    `"${quotedText(record.userAgent)}" "${quotedText(record.requestId)}" "${quotedText(record.authority)}" ` +
    `"${orDash(record.upstreamHost)}" ${bareName(record.upstreamCluster)} ${orDash(record.upstreamLocalAddress)} ` +
    `${orDash(record.downstreamLocalAddress)} ${orDash(record.downstreamRemoteAddress)} ` +
    `${bareText(record.requestedServerName)} ${bareName(record.routeName)} ${record.reason} "${quotedName(record.rule)}"\n`
  )
}

/** For addresses that sockets told us. */
function orDash(text: string): string {
  return text === '' ? '-' : text
}
