import type { HttpSeriesReport } from '../dataplane/messages.ts'
import { bucketBounds, histogramSlots } from '../dataplane/telemetry/histogram.ts'
import { httpSlots } from '../dataplane/telemetry/http-series.ts'
import { agentMetrics } from './definitions.ts'

/**
 * Istio's HTTP metrics in Prometheus' text format, written straight from the data threads' numbers: there may be
 * hundreds of thousands of lines. `rename` gives each metric the name it has on this page.
 */
export function httpPage(all: readonly HttpSeriesReport[], rename: (name: string) => string): string {
  const grpc = all.filter(({ labels }) => labels.includes('request_protocol="grpc"'))
  return [
    '',
    counter('istio_requests_total', all, ({ values }) => countOf(values, httpSlots.duration)),
    histogram('istio_request_duration_milliseconds', httpSlots.duration),
    histogram('istio_request_bytes', httpSlots.requestBytes),
    histogram('istio_response_bytes', httpSlots.responseBytes),
    counter('istio_request_messages_total', grpc, ({ values }) => values[httpSlots.requestMessages] ?? 0),
    counter('istio_response_messages_total', grpc, ({ values }) => values[httpSlots.responseMessages] ?? 0),
  ].join('\n')

  type Name = keyof typeof agentMetrics

  function head(name: Name): string {
    const { help, kind } = agentMetrics[name]
    return `# HELP ${rename(name)} ${help}\n# TYPE ${rename(name)} ${kind}\n`
  }

  function counter(name: Name, rows: readonly HttpSeriesReport[], value: (series: HttpSeriesReport) => number): string {
    return head(name) + rows.map(series => `${rename(name)}{${series.labels}} ${value(series)}\n`).join('')
  }

  function histogram(name: Name, at: number): string {
    return head(name) + all.map(series => histogramLines(rename(name), series, at)).join('')
  }
}

function histogramLines(name: string, { labels, values }: HttpSeriesReport, at: number): string {
  let text = ''
  let below = 0
  for (const [bucket, bound] of bucketBounds.entries()) {
    below += values[at + bucket] ?? 0
    text += `${name}_bucket{${labels},le="${bound}"} ${below}\n`
  }
  const count = countOf(values, at)
  const sum = values[at + histogramSlots - 1] ?? 0
  return `${text}${name}_bucket{${labels},le="+Inf"} ${count}\n${name}_sum{${labels}} ${sum}\n${name}_count{${labels}} ${count}\n`
}

function countOf(values: Float64Array, at: number): number {
  let count = 0
  for (let bucket = 0; bucket <= bucketBounds.length; bucket += 1) count += values[at + bucket] ?? 0
  return count
}
