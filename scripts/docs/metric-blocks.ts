import { agentMetrics } from '../../agent/telemetry/definitions.ts'
import { serverMetrics } from '../../server/telemetry/metrics.ts'
import { code, table } from './markdown.ts'

interface Metric {
  readonly kind: string
  readonly labels: readonly string[]
  readonly help: string
}

/** Every metric of an agent. */
export function agentMetricTable(): string {
  return metricTable(Object.entries(agentMetrics))
}

/** Every metric of a server; what counts up ends in `_total`, as Prometheus wants it. */
export function serverMetricTable(): string {
  const kindOf = (name: string) => (name.endsWith('_total') ? 'counter' : 'gauge')
  return metricTable(Object.entries(serverMetrics).map(([name, metric]) => [name, { kind: kindOf(name), ...metric }]))
}

/** The labels that all of Istio's TCP metrics have. */
export function istioLabelList(): string {
  return agentMetrics.istio_tcp_connections_opened_total.labels.map(label => code(label)).join(', ')
}

function metricTable(metrics: readonly (readonly [string, Metric])[]): string {
  const rows = metrics.map(([name, { kind, labels, help }]) => [code(name), kind, labelText(labels), help])
  return table(['metric', 'kind', 'labels', 'meaning'], rows)
}

function labelText(labels: readonly string[]): string {
  if (labels === agentMetrics.istio_tcp_connections_opened_total.labels) return "Istio's, below"
  if (labels === agentMetrics.istio_requests_total.labels) return "Istio's, and `response_code`, `grpc_response_status`"
  return labels.map(label => code(label)).join(', ') || '–'
}
