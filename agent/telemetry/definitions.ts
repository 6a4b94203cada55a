/**
 * Every metric an agent has, declared once: the registry and the reference page are made from this list. Labels come
 * from closed sets or from the mesh's own names, never from addresses.
 */
export interface MetricDefinition {
  readonly kind: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels: readonly string[]
}

/** Istio's labels of its standard metrics; always present, `unknown` where nothing is known. */
const istioTcpLabels = [
  'reporter',
  'source_workload',
  'source_workload_namespace',
  'source_principal',
  'source_app',
  'source_version',
  'source_canonical_service',
  'source_canonical_revision',
  'source_cluster',
  'destination_workload',
  'destination_workload_namespace',
  'destination_principal',
  'destination_app',
  'destination_version',
  'destination_canonical_service',
  'destination_canonical_revision',
  'destination_cluster',
  'destination_service',
  'destination_service_name',
  'destination_service_namespace',
  'request_protocol',
  'response_flags',
  'connection_security_policy',
] as const

/** Istio's labels of the standard HTTP metrics. */
const istioHttpLabels = [...istioTcpLabels, 'response_code', 'grpc_response_status'] as const

export const agentMetrics = {
  istio_tcp_connections_opened_total: {
    kind: 'counter',
    help: 'Connections that were let through.',
    labels: istioTcpLabels,
  },
  istio_tcp_connections_closed_total: {
    kind: 'counter',
    help: 'Connections of those that are over.',
    labels: istioTcpLabels,
  },
  istio_tcp_sent_bytes_total: {
    kind: 'counter',
    help: 'Bytes that the destination sent back.',
    labels: istioTcpLabels,
  },
  istio_tcp_received_bytes_total: {
    kind: 'counter',
    help: 'Bytes that the destination received.',
    labels: istioTcpLabels,
  },
  istio_requests_total: { kind: 'counter', help: 'HTTP and gRPC requests that are over.', labels: istioHttpLabels },
  istio_request_duration_milliseconds: {
    kind: 'histogram',
    help: 'From the head of a request to the end of its response.',
    labels: istioHttpLabels,
  },
  istio_request_bytes: { kind: 'histogram', help: 'Sizes of requests, heads included.', labels: istioHttpLabels },
  istio_response_bytes: { kind: 'histogram', help: 'Sizes of responses, heads included.', labels: istioHttpLabels },
  istio_request_messages_total: {
    kind: 'counter',
    help: 'Messages of gRPC requests.',
    labels: istioHttpLabels,
  },
  istio_response_messages_total: {
    kind: 'counter',
    help: 'Messages of gRPC responses.',
    labels: istioHttpLabels,
  },
  weft_agent_http_local_replies_total: {
    kind: 'counter',
    help: 'Requests that the agent answered itself, by direction and reason code.',
    labels: ['direction', 'reason'],
  },
  weft_agent_http_ejections_active: {
    kind: 'gauge',
    help: 'Endpoints that outlier detection keeps away from now; each thread counts its own.',
    labels: [],
  },
  weft_agent_http_ejections_total: {
    kind: 'counter',
    help: 'How often outlier detection took an endpoint out, by cause.',
    labels: ['cause'],
  },
  weft_policy_dry_run_total: {
    kind: 'counter',
    help: 'Connections and requests that policies of dry runs would have answered otherwise, by policy and verdict.',
    labels: ['policy', 'verdict'],
  },
  weft_connections_refused_total: {
    kind: 'counter',
    help: 'Connections that were not let through, by direction and reason code.',
    labels: ['direction', 'reason'],
  },
  weft_open_connections: { kind: 'gauge', help: 'Connections that are open now.', labels: [] },
  weft_pooled_sessions: { kind: 'gauge', help: 'Mutual TLS sessions kept to other agents.', labels: [] },
  weft_open_streams: { kind: 'gauge', help: 'Connections carried by these sessions now.', labels: [] },
  weft_access_log_dropped_lines_total: {
    kind: 'counter',
    help: 'Access-log lines given up because their reader was too slow.',
    labels: [],
  },
  weft_certificate_seconds_to_expiry: {
    kind: 'gauge',
    help: 'What is left of the certificate of each identity; negative after its end.',
    labels: ['identity'],
  },
  weft_config_version: {
    kind: 'gauge',
    help: 'The last version that the server sent in this session; 0 before the first.',
    labels: [],
  },
  weft_config_rejected_resources: {
    kind: 'gauge',
    help: 'Resources of that version that could not be used.',
    labels: [],
  },
  weft_server_connected: { kind: 'gauge', help: '1 while there is a session with the server.', labels: [] },
  weft_capture_repairs_total: {
    kind: 'counter',
    help: 'How often interception rules were found altered and written again.',
    labels: [],
  },
  weft_ready: { kind: 'gauge', help: '1 while the readiness check succeeds.', labels: [] },
  weft_agent_resident_bytes: { kind: 'gauge', help: 'Memory of the agent process.', labels: [] },
  weft_agent_spans_dropped_total: {
    kind: 'counter',
    help: 'Spans of traced requests that no collector took, or not in time.',
    labels: [],
  },
  weft_build_info: { kind: 'gauge', help: 'Always 1; the version is a label.', labels: ['version'] },
} as const satisfies Readonly<Record<string, MetricDefinition>>

export type AgentMetricName = keyof typeof agentMetrics
