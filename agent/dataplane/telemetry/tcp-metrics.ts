import type { DataThreadReport, TcpSeries } from '../messages.ts'
import type { Reason } from '../reasons.ts'

/** Counters of one label set; connections hold it and add to it as bytes pass. */
export interface TcpCounters {
  readonly labels: Readonly<Record<string, string>>
  opened: number
  closed: number
  sentBytes: number
  receivedBytes: number
}

/** Istio's labels of one side of a connection; what is not known says `unknown`. */
export interface PeerLabels {
  readonly workload: string
  readonly namespace: string
  readonly principal: string
  readonly app: string
  readonly version: string
  readonly canonicalService: string
  readonly canonicalRevision: string
}

export const unknownPeer: PeerLabels = {
  workload: 'unknown',
  namespace: 'unknown',
  principal: 'unknown',
  app: 'unknown',
  version: 'unknown',
  canonicalService: 'unknown',
  canonicalRevision: 'unknown',
}

/** Istio's labels from a workload's own: `app`, `version` and the canonical ones where they are set. */
export function peerLabels(workload: {
  readonly namespace: string
  readonly workload: string
  readonly identity?: string | undefined
  readonly labels: Readonly<Record<string, string>>
}): PeerLabels {
  const { labels } = workload
  return {
    workload: workload.workload,
    namespace: workload.namespace,
    principal: workload.identity ?? 'unknown',
    app: labels.app ?? 'unknown',
    version: labels.version ?? 'unknown',
    canonicalService: labels['service.istio.io/canonical-name'] ?? labels.app ?? workload.workload,
    canonicalRevision: labels['service.istio.io/canonical-revision'] ?? labels.version ?? 'latest',
  }
}

export interface SeriesKey {
  readonly reporter: 'source' | 'destination'
  readonly source: PeerLabels
  readonly destination: PeerLabels
  /** Host name of the destination service: `api.default.mesh`. */
  readonly service: string
  readonly serviceName: string
  readonly serviceNamespace: string
  readonly security: 'mutual_tls' | 'none'
}

/** Beyond this many, callers are counted as unknown: labels that come from peers must not fill the memory. */
const maxSeries = 10_000
/** The same for the workloads of one identity, so that no peer can use up what is there for all by inventing names. */
const maxSeriesPerPrincipal = 500

/** All `istio_tcp_*` series of one data thread. */
export class TcpMetrics {
  readonly #series = new Map<string, TcpCounters>()
  readonly #ofPrincipal = new Map<string, number>()
  /** By destination, then source: a table's destination labels belong to one service port and direction. */
  readonly #cache = new WeakMap<PeerLabels, WeakMap<PeerLabels, TcpCounters>>()
  readonly #refused = new Map<string, { direction: 'inbound' | 'outbound'; reason: Reason; count: number }>()

  /**
   * The counters of a label set, made at its first use. The labels of a table's own peers are the same objects for
   * each connection, so most calls end in the cache.
   */
  counters(key: SeriesKey): TcpCounters {
    const bySource = this.#cache.get(key.destination)
    const cached = bySource?.get(key.source)
    if (cached !== undefined) return cached
    const counters = this.#find(key)
    if (key.destination === unknownPeer) return counters
    if (bySource === undefined) this.#cache.set(key.destination, new WeakMap([[key.source, counters]]))
    else bySource.set(key.source, counters)
    return counters
  }

  #find(key: SeriesKey): TcpCounters {
    const { source, destination } = key
    const id = `${key.reporter}|${key.security}|${key.serviceNamespace}/${key.serviceName}|${source.principal}|${source.namespace}/${source.workload}|${source.version}|${destination.principal}|${destination.namespace}/${destination.workload}|${destination.version}`
    let counters = this.#series.get(id)
    if (counters === undefined) {
      if (source !== unknownPeer && this.#series.size >= maxSeries) return this.#find({ ...key, source: unknownPeer })
      const same = this.#ofPrincipal.get(source.principal) ?? 0
      if (same >= maxSeriesPerPrincipal && source.workload !== 'unknown') {
        const { principal, namespace } = source
        return this.#find({ ...key, source: { ...unknownPeer, principal, namespace } })
      }
      this.#ofPrincipal.set(source.principal, same + 1)
      counters = { labels: istioLabels(key), opened: 0, closed: 0, sentBytes: 0, receivedBytes: 0 }
      this.#series.set(id, counters)
    }
    return counters
  }

  refused(direction: 'inbound' | 'outbound', reason: Reason): void {
    const id = `${direction}|${reason}`
    const entry = this.#refused.get(id)
    if (entry === undefined) this.#refused.set(id, { direction, reason, count: 1 })
    else entry.count += 1
  }

  report(): Pick<DataThreadReport, 'tcp' | 'refused'> {
    const tcp: TcpSeries[] = [...this.#series.values()].map(counters => ({ ...counters }))
    return { tcp, refused: [...this.#refused.values()].map(entry => ({ ...entry })) }
  }
}

/** The label set of Istio's standard TCP metrics (telemetry v2), all always present. */
function istioLabels(key: SeriesKey): Readonly<Record<string, string>> {
  const { source, destination } = key
  return {
    reporter: key.reporter,
    source_workload: source.workload,
    source_workload_namespace: source.namespace,
    source_principal: source.principal,
    source_app: source.app,
    source_version: source.version,
    source_canonical_service: source.canonicalService,
    source_canonical_revision: source.canonicalRevision,
    source_cluster: 'unknown',
    destination_workload: destination.workload,
    destination_workload_namespace: destination.namespace,
    destination_principal: destination.principal,
    destination_app: destination.app,
    destination_version: destination.version,
    destination_canonical_service: destination.canonicalService,
    destination_canonical_revision: destination.canonicalRevision,
    destination_cluster: 'unknown',
    destination_service: key.service,
    destination_service_name: key.serviceName,
    destination_service_namespace: key.serviceNamespace,
    request_protocol: 'tcp',
    response_flags: '-',
    connection_security_policy: key.security,
  }
}
