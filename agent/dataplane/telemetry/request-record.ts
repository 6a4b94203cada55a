import type { HttpProtocol } from '../http/stream.ts'
import type { Reason } from '../reasons.ts'
import type { PeerLabels } from './peer-labels.ts'
import type { RequestSpan } from './trace-context.ts'

/**
 * All that is known of one HTTP request on one side of it, filled in while it passes and reported once at its end:
 * counted, logged, and traced when it was sampled. One object a request; strings in it are shared where they can be.
 */
export class RequestRecord {
  readonly direction: 'inbound' | 'outbound'
  /** Monotonic milliseconds, and wall-clock ones: when the request's head had come. */
  readonly since: number
  readonly startedAt: number
  protocol: HttpProtocol = 'HTTP/1.1'
  method = ''
  /** As the caller sent it (Istio: x-envoy-original-path, else the path). */
  path = ''
  authority = ''
  scheme = 'http'
  requestId = ''
  userAgent = ''
  forwardedFor = ''
  isGrpc = false
  /** 0 when no response was sent: the caller was gone, or was reset. */
  status = 0
  /** Number in `grpc-status`, -1 without one. */
  grpcStatus = -1
  /** Why, in our codes. `OK` for whatever the upstream answered. */
  reason: Reason = 'OK'
  detail = ''
  /** Envoy's response flags: `UF,URX`; empty for none. */
  flags = ''
  /** Envoy's RESPONSE_CODE_DETAILS: `via_upstream`, `route_not_found`; the second is for a connection's end. */
  codeDetails = ''
  terminationDetails = ''
  transportFailure = ''
  /** The route's name (`default`), and the rule it comes from; inbound the policy's rule that decided. */
  routeName = ''
  rule = ''
  /** Rules that audit the request, and what policies of dry runs would have done. */
  audit = ''
  dryRun = ''
  /** Payload bytes that the caller sent, and that it received; beside them the heads, for the metrics' sizes. */
  bytesReceived = 0
  bytesSent = 0
  requestHeadBytes = 0
  responseHeadBytes = 0
  /** gRPC messages, counted by their frames. */
  requestMessages = 0
  responseMessages = 0
  /** Milliseconds from the request's head to the end of the response. */
  durationMs = 0
  /** What the upstream took for the response's head, milliseconds; -1 without an answer. */
  upstreamServiceMs = -1
  attempts = 0
  /** Name of this host; empty until the request is looked at. */
  node = ''
  /** `ip:port`s and names, as logs show them; empty where there is none. */
  upstreamHost = ''
  upstreamCluster = ''
  upstreamLocalAddress = ''
  downstreamLocalAddress = ''
  downstreamRemoteAddress = ''
  requestedServerName = ''
  source: PeerLabels
  destination: PeerLabels
  service = 'unknown'
  serviceName = 'unknown'
  serviceNamespace = 'unknown'
  security: 'mutual_tls' | 'none' | 'unknown' = 'unknown'
  /** What the tracer made of the request's context; undefined when it is not sampled. */
  span: RequestSpan | undefined

  constructor(
    direction: 'inbound' | 'outbound',
    since: number,
    startedAt: number,
    source: PeerLabels,
    destination: PeerLabels,
  ) {
    this.direction = direction
    this.since = since
    this.startedAt = startedAt
    this.source = source
    this.destination = destination
    this.span = undefined
  }

  /** Whether the response is one of ours and not the upstream's. */
  get isLocalReply(): boolean {
    return this.status !== 0 && this.reason !== 'OK' && this.codeDetails !== 'via_upstream'
  }
}
