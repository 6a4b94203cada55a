import Counter from 'prom-client/lib/counter.js'
import Gauge from 'prom-client/lib/gauge.js'
import Registry from 'prom-client/lib/registry.js'
import type { DataThreadReport, TcpSeries } from '../dataplane/messages.ts'
import { type AgentMetricName, agentMetrics, type MetricDefinition } from './definitions.ts'
import { httpPage } from './http-page.ts'

/** What the control thread knows at a scrape, besides what the data threads report. */
export interface AgentFacts {
  readonly version: string
  /** Seconds left by identity. */
  readonly certificateSeconds: ReadonlyMap<string, number>
  readonly configVersion: number
  readonly rejectedResources: number
  readonly serverConnected: boolean
  readonly captureRepairs: number
  readonly ready: boolean
  readonly residentBytes: number
  /** Spans that no collector took. */
  readonly droppedSpans: number
}

export interface MetricsSources {
  collect(): Promise<DataThreadReport>
  facts(): AgentFacts
}

/** What Istio's metrics are called first: `istio_`, unless something else is wanted beside a real Istio. */
const istioPrefix = 'istio_'

/** The Prometheus page of an agent. */
export interface AgentMetrics {
  /** For the header of the same name. */
  readonly contentType: string
  /** Collects from all threads and writes the page; scrapes at the same time share one collection. */
  render(): Promise<string>
}

/**
 * Declares all metrics in a registry of their own. Nothing is counted here: a scrape copies what the parts know.
 * Istio's metrics get `prefix` (`istio`) at the front of their names.
 */
export function createAgentMetrics(sources: MetricsSources, prefix = 'istio'): AgentMetrics {
  const registry = new Registry()
  const rename = (name: string) => (name.startsWith(istioPrefix) ? `${prefix}_${name.slice(istioPrefix.length)}` : name)
  const metrics = new Map(
    Object.entries(agentMetrics)
      .filter(([name]) => !isHttp(name))
      .map(([name, one]) => [name, declare(registry, rename(name), one)]),
  )
  let rendering: Promise<string> | undefined

  function set(name: AgentMetricName, rows: Iterable<readonly [Readonly<Record<string, string>>, number]>): void {
    const metric = metrics.get(name)
    metric?.reset()
    const { labels } = agentMetrics[name]
    for (const [values, value] of rows) metric?.inc(closed(labels, values), value)
  }

  async function render(): Promise<string> {
    const report = await sources.collect()
    const facts = sources.facts()
    const tcp = (of: (series: TcpSeries) => number) => report.tcp.map(series => [series.labels, of(series)] as const)
    const one = (value: number) => [[{}, value]] as const
    set(
      'istio_tcp_connections_opened_total',
      tcp(series => series.opened),
    )
    set(
      'istio_tcp_connections_closed_total',
      tcp(series => series.closed),
    )
    // Istio counts from the destination's side: what the caller sent is what the destination received.
    set(
      'istio_tcp_received_bytes_total',
      tcp(series => series.sentBytes),
    )
    set(
      'istio_tcp_sent_bytes_total',
      tcp(series => series.receivedBytes),
    )
    set(
      'weft_connections_refused_total',
      report.refused.map(({ direction, reason, count }) => [{ direction, reason }, count]),
    )
    set(
      'weft_agent_http_local_replies_total',
      report.localReplies.map(({ direction, reason, count }) => [{ direction, reason }, count]),
    )
    set(
      'weft_policy_dry_run_total',
      report.dryRuns.map(({ policy, verdict, count }) => [{ policy, verdict }, count]),
    )
    set('weft_agent_http_ejections_active', one(report.ejections.active))
    set(
      'weft_agent_http_ejections_total',
      Object.entries(report.ejections.totals).map(([cause, count]) => [{ cause }, count]),
    )
    set('weft_open_connections', one(report.gauges.openConnections))
    set('weft_pooled_sessions', one(report.gauges.pooledSessions))
    set('weft_open_streams', one(report.gauges.openStreams))
    set('weft_access_log_dropped_lines_total', one(report.droppedLogLines))
    set(
      'weft_certificate_seconds_to_expiry',
      [...facts.certificateSeconds].map(([identity, seconds]) => [{ identity }, seconds]),
    )
    set('weft_config_version', one(facts.configVersion))
    set('weft_config_rejected_resources', one(facts.rejectedResources))
    set('weft_server_connected', one(Number(facts.serverConnected)))
    set('weft_capture_repairs_total', one(facts.captureRepairs))
    set('weft_ready', one(Number(facts.ready)))
    set('weft_agent_resident_bytes', one(facts.residentBytes))
    set('weft_agent_spans_dropped_total', one(facts.droppedSpans))
    set('weft_build_info', [[{ version: facts.version }, 1]])
    return (await registry.metrics()) + httpPage(report.http, rename)
  }

  return {
    contentType: registry.contentType,
    render() {
      rendering ??= render().finally(() => {
        rendering = undefined
      })
      return rendering
    },
  }
}

/** Those of Istio's metrics that the HTTP page writes. */
function isHttp(name: string): boolean {
  return name.startsWith(istioPrefix) && !name.startsWith(`${istioPrefix}tcp_`)
}

type Metric = Pick<Gauge<string>, 'reset'> & { inc(labels: Readonly<Record<string, string>>, value: number): void }

function declare(registry: Registry, name: string, definition: MetricDefinition): Metric {
  const options = { name, help: definition.help, labelNames: [...definition.labels], registers: [registry] }
  return definition.kind === 'counter' ? new Counter<string>(options) : new Gauge<string>(options)
}

/** Exactly the declared labels: one that is missing says `unknown`, one that is not declared is left out. */
function closed(labels: readonly string[], values: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(labels.map(label => [label, values[label] ?? 'unknown']))
}
