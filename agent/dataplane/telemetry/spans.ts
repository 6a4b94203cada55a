import type { Clock, Timer } from '../../../mesh/std/clock.ts'
import type { FinishedSpan } from '../messages.ts'
import type { RequestRecord } from './request-record.ts'
import type { RequestSpan } from './trace-context.ts'

/** Takes finished spans, many at a time. */
export type SpanSink = (spans: readonly FinishedSpan[]) => void

const batchSize = 256
const batchMs = 1000

/** Gathers the spans of one data thread and hands them on once a second, or sooner when there are many. */
export class SpanBatch {
  readonly #clock: Clock
  readonly #sink: SpanSink
  #waiting: FinishedSpan[] = []
  #timer: Timer | undefined

  constructor(clock: Clock, sink: SpanSink) {
    this.#clock = clock
    this.#sink = sink
  }

  add(record: RequestRecord, span: RequestSpan): void {
    this.#waiting.push(finished(record, span))
    if (this.#waiting.length >= batchSize) this.flush()
    else this.#timer ??= this.#clock.timer(batchMs, this.flush)
  }

  /** Hands on what there is. */
  readonly flush = (): void => {
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#waiting.length === 0) return
    const spans = this.#waiting
    this.#waiting = []
    this.#sink(spans)
  }
}

/** Attributes are those that Istio's sidecars give their spans, and our reason and rule. */
function finished(record: RequestRecord, span: RequestSpan): FinishedSpan {
  const isClient = record.direction === 'outbound'
  const own = isClient ? record.source : record.destination
  const { status, isGrpc } = record
  const grpcStatus = Number.isInteger(record.grpcStatus) ? record.grpcStatus : -1
  return {
    ...span,
    kind: isClient ? 'client' : 'server',
    name: operationOf(record),
    service: `${own.canonicalService}.${own.namespace}`,
    startedAt: record.startedAt,
    durationMs: record.durationMs,
    isError: status === 0 || status >= 500 || (isGrpc && grpcStatus !== 0),
    attributes: {
      component: 'proxy',
      'guid:x-request-id': record.requestId,
      'http.method': record.method,
      'http.url': `${record.scheme}://${record.authority}${record.path}`,
      'http.protocol': record.protocol,
      'http.status_code': status,
      ...(isGrpc && { 'grpc.status_code': grpcStatus, 'grpc.authority': record.authority, 'grpc.path': record.path }),
      user_agent: record.userAgent,
      request_size: record.bytesReceived,
      response_size: record.bytesSent,
      response_flags: record.flags === '' ? '-' : record.flags,
      upstream_cluster: record.upstreamCluster,
      'upstream_cluster.name': record.upstreamCluster,
      upstream_address: record.upstreamHost,
      'peer.address': isClient ? record.upstreamHost : record.downstreamRemoteAddress,
      'istio.canonical_service': own.canonicalService,
      'istio.canonical_revision': own.canonicalRevision,
      'istio.namespace': own.namespace,
      'weft.reason': record.reason,
      'weft.rule': record.rule,
    },
  }
}

/** As Istio names routes to services: `cart.shop.mesh:80/*`; the port is in the cluster's name. */
function operationOf(record: RequestRecord): string {
  const port = record.upstreamCluster.split('|', 2)[1]
  return `${record.service}${port === undefined ? '' : `:${port}`}/*`
}
