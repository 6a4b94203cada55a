import type { UtilizationSettings } from '../../../mesh/routing/cluster.ts'
import { isField } from '../../../mesh/routing/header-fields.ts'
import type { EndpointState } from './endpoint.ts'
import { type LoadReport, readLoadReport } from './load-report.ts'

const textField = 'endpoint-load-metrics'
const binaryField = 'endpoint-load-metrics-bin'
/** Longer reports are not kept. */
const maxReport = 4096

/**
 * What one endpoint has reported of its load, and the weight that this comes to. Of the reports between two updates of
 * the weights only the last counts, and only that is read: a response costs no more than finding its field.
 */
export class ReportedLoad {
  #report = ''
  #isBinary = false
  #reportedAt = 0
  #weight = 0
  /** When the weight was first known, and when it was last heard of. */
  #since = 0
  #updatedAt = 0

  note(report: string, isBinary: boolean, now: number): void {
    this.#report = report
    this.#isBinary = isBinary
    this.#reportedAt = now
  }

  /** The weight at monotonic time `now`; 0 while nothing is known that may be relied on (gRFC A58, "Subchannel weights"). */
  weightAt(now: number, settings: UtilizationSettings): number {
    if (this.#report !== '') this.#read(settings)
    if (this.#weight > 0 && now - this.#updatedAt > settings.expirationMs) this.#weight = 0
    return now - this.#since < settings.stabilizationMs ? 0 : this.#weight
  }

  #read(settings: UtilizationSettings): void {
    const weight = reportedWeight(readLoadReport(this.#report, this.#isBinary), settings)
    this.#report = ''
    if (weight === 0) return
    const isExpired = this.#reportedAt - this.#updatedAt > settings.expirationMs
    if (this.#weight === 0 || isExpired) this.#since = this.#reportedAt
    this.#weight = weight
    this.#updatedAt = this.#reportedAt
  }
}

/** Keeps the report that a response's head or its trailers have, if they have one. */
export function noteLoad(state: EndpointState, headers: readonly string[], now: number): void {
  for (let at = 0; at < headers.length; at += 2) {
    const isBinary = isField(headers[at], binaryField)
    if (!isBinary && !isField(headers[at], textField)) continue
    const report = headers[at + 1] ?? ''
    if (report.length > maxReport) return
    state.load ??= new ReportedLoad()
    state.load.note(report, isBinary, now)
    return
  }
}

/**
 * Requests per second over utilization, errors counting as utilization by their share and the penalty; 0 when the report
 * lacks one of them. Utilization is the highest of the metrics that are named, else the application's, else the CPU's.
 */
export function reportedWeight(report: LoadReport, { metrics, errorPenalty }: UtilizationSettings): number {
  const requests = report.get('rps_fractional') ?? 0
  const named = metrics.reduce((highest, name) => Math.max(highest, metricOf(report, name)), 0)
  const utilization = named || report.get('application_utilization') || report.get('cpu_utilization') || 0
  if (requests <= 0 || utilization <= 0) return 0
  const weight = requests / (utilization + ((report.get('eps') ?? 0) / requests) * errorPenalty)
  return Number.isFinite(weight) ? weight : 0
}

/** Of `<map>.*` the highest. */
function metricOf(report: LoadReport, name: string): number {
  if (!name.endsWith('.*')) return report.get(name) ?? 0
  let highest = 0
  for (const [metric, value] of report) if (metric.startsWith(name.slice(0, -1))) highest = Math.max(highest, value)
  return highest
}
