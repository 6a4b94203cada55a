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
  /** Unknown when the destination was not reached. */
  readonly security: 'mutual_tls' | 'none' | 'unknown'
}

/**
 * The labels that Istio's TCP and HTTP metrics (telemetry v2) have in common, in Istio's words; what protocol and
 * outcome are comes after them.
 */
export function peersAsLabels(key: SeriesKey): Readonly<Record<string, string>> {
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
    connection_security_policy: key.security,
  }
}
