import { flat, jsonName, jsonText, timestamp } from './log-text.ts'
import type { PeerLabels } from './peer-labels.ts'
import type { RequestRecord } from './request-record.ts'

/**
 * A request's line as JSON with the keys of Istio (`EnvoyJSONLogFormatIstio`), then ours, and its line feed. What is
 * absent is null, and numbers are numbers, except for the header that `upstream_service_time` is.
 */
export function requestAsJson(record: RequestRecord): string {
  const { upstreamServiceMs: service } = record
  return (
    `{"start_time":"${timestamp(record.startedAt)}","path":${orNull(record.path)}${outcomeOf(record)}` +
    `${record.bytesReceived},"bytes_sent":${record.bytesSent},"duration":${Math.floor(record.durationMs)}` +
    `,"upstream_service_time":${service < 0 ? 'null' : `"${Math.floor(service)}"`}` +
    `,"request_id":${orNull(record.requestId)},"upstream_local_address":${addressOrNull(record.upstreamLocalAddress)}` +
    `,"downstream_remote_address":${addressOrNull(record.downstreamRemoteAddress)}${callerOf(record)}` +
    `${placeOf(record)}${notesOf(record)}${record.detail === '' ? '}\n' : `,"weft_detail":${jsonText(record.detail)}}\n`}`
  )
}

/** Parts of lines that are the same for many requests, with what they were made of. */
interface Part {
  readonly of: readonly unknown[]
  readonly text: string
}

const nothing: Part = { of: [], text: '' }

/** The last ones, of each direction; and of all places, by where the request went. */
const inbound = { outcome: nothing, caller: nothing, places: new Map<string, Part>() }
const outbound = { outcome: nothing, caller: nothing, places: new Map<string, Part>() }
const parts = { inbound, outbound } as const

/** Endpoints beyond these make the parts of all be forgotten. */
const maxPlaces = 10_000

/** What the request was, and how it ended. */
function outcomeOf(record: RequestRecord): string {
  const known = parts[record.direction]
  const { of } = known.outcome
  if (
    of[0] !== record.status ||
    of[1] !== record.method ||
    of[2] !== record.codeDetails ||
    of[3] !== record.flags ||
    of[4] !== record.protocol ||
    of[5] !== record.terminationDetails ||
    of[6] !== record.transportFailure
  ) {
    const { status, method, codeDetails, flags, protocol, terminationDetails, transportFailure } = record
    known.outcome = {
      of: [status, method, codeDetails, flags, protocol, terminationDetails, transportFailure],
      text: flat(
        `,"method":${orNull(method)},"protocol":"${protocol}","response_code":${status}` +
          `,"response_flags":"${flags || '-'}","response_code_details":${nameOrNull(codeDetails)}` +
          `,"connection_termination_details":${orNull(terminationDetails)}` +
          `,"upstream_transport_failure_reason":${orNull(transportFailure)},"bytes_received":`,
      ),
    }
  }
  return known.outcome.text
}

/** What a caller says of itself in each of its requests. */
function callerOf(record: RequestRecord): string {
  const known = parts[record.direction]
  const { of } = known.caller
  if (
    of[0] !== record.forwardedFor ||
    of[1] !== record.userAgent ||
    of[2] !== record.authority ||
    of[3] !== record.source
  ) {
    const { forwardedFor, userAgent, authority, source } = record
    known.caller = {
      of: [forwardedFor, userAgent, authority, source],
      text: flat(
        `,"x_forwarded_for":${orNull(forwardedFor)},"user_agent":${orNull(userAgent)}` +
          `,"authority":${orNull(authority)},"weft_source":${principal(source)}`,
      ),
    }
  }
  return known.caller.text
}

/** Where it went, and why there. */
function placeOf(record: RequestRecord): string {
  const known = parts[record.direction].places
  const part = known.get(record.upstreamHost)
  if (
    part !== undefined &&
    part.of[0] === record.upstreamCluster &&
    part.of[1] === record.downstreamLocalAddress &&
    part.of[2] === record.requestedServerName &&
    part.of[3] === record.routeName &&
    part.of[4] === record.destination &&
    part.of[5] === record.reason &&
    part.of[6] === record.rule
  ) {
    return part.text
  }
  const { upstreamHost, upstreamCluster, downstreamLocalAddress, requestedServerName, routeName } = record
  const { destination, direction, reason, rule } = record
  const text = flat(
    `,"upstream_host":${addressOrNull(upstreamHost)},"upstream_cluster":${nameOrNull(upstreamCluster)}` +
      `,"downstream_local_address":${addressOrNull(downstreamLocalAddress)}` +
      `,"requested_server_name":${orNull(requestedServerName)},"route_name":${nameOrNull(routeName)}` +
      `,"weft_destination":${principal(destination)},"weft_direction":"${direction}"` +
      `,"weft_reason":"${reason}","weft_rule":${nameOrNull(rule)}`,
  )
  if (known.size >= maxPlaces) known.clear()
  known.set(upstreamHost, {
    of: [upstreamCluster, downstreamLocalAddress, requestedServerName, routeName, destination, reason, rule],
    text,
  })
  return text
}

/** What policies that decide nothing have found. */
function notesOf({ audit, dryRun }: RequestRecord): string {
  if (audit === '' && dryRun === '') return ''
  const audited = audit === '' ? '' : `,"weft_audit":${jsonName(audit)}`
  return dryRun === '' ? audited : `${audited},"weft_dry_run":${jsonName(dryRun)}`
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
