import { histogramSlots, observe } from './histogram.ts'
import { peersAsLabels, type SeriesKey } from './peer-labels.ts'
import type { RequestRecord } from './request-record.ts'

/** Where the numbers of a series are in its array. */
export const httpSlots = {
  requestMessages: 0,
  responseMessages: 1,
  duration: 2,
  requestBytes: 2 + histogramSlots,
  responseBytes: 2 + 2 * histogramSlots,
} as const

const slots = 2 + 3 * histogramSlots

/** Outcomes that one pair of peers can have; what comes beyond them is counted as unknown. */
const maxOutcomes = 50

/** Whatever differs between two requests of the same peers, as far as labels show it. */
interface Outcome {
  readonly status: number
  /** -1 for none. */
  readonly grpcStatus: number
  readonly isGrpc: boolean
  readonly flags: string
}

/** All `istio_request*` numbers of one label set. */
export class HttpCounters implements Outcome {
  /** As Prometheus' text format has them, without braces. */
  readonly labels: string
  readonly values = new Float64Array(slots)
  readonly status: number
  readonly grpcStatus: number
  readonly isGrpc: boolean
  readonly flags: string

  constructor(labels: string, outcome: Outcome) {
    this.labels = labels
    this.status = outcome.status
    this.grpcStatus = outcome.grpcStatus
    this.isGrpc = outcome.isGrpc
    this.flags = outcome.flags
  }

  /** Whether requests with this outcome are counted here. */
  fits(outcome: Outcome): boolean {
    return (
      outcome.status === this.status &&
      outcome.grpcStatus === this.grpcStatus &&
      outcome.isGrpc === this.isGrpc &&
      outcome.flags === this.flags
    )
  }

  add(record: RequestRecord): void {
    const { values } = this
    // Istio counts whole milliseconds.
    observe(values, httpSlots.duration, Math.floor(record.durationMs))
    observe(values, httpSlots.requestBytes, record.requestHeadBytes + record.bytesReceived)
    observe(values, httpSlots.responseBytes, record.responseHeadBytes + record.bytesSent)
    if (!record.isGrpc) return
    values[httpSlots.requestMessages] = (values[httpSlots.requestMessages] ?? 0) + record.requestMessages
    values[httpSlots.responseMessages] = (values[httpSlots.responseMessages] ?? 0) + record.responseMessages
  }
}

/** The series of one source, destination and service: one for each outcome that there has been. */
export class HttpSeries {
  readonly service: string
  readonly all: HttpCounters[] = []
  readonly #labels: Readonly<Record<string, string>>
  #last: HttpCounters | undefined

  constructor(key: SeriesKey) {
    this.service = key.service
    this.#labels = peersAsLabels(key)
  }

  /** The counters of this outcome, made at its first use if `room` says that there may be another. */
  of(outcome: Outcome, room: () => boolean): HttpCounters {
    if (this.#last?.fits(outcome)) return this.#last
    let counters = this.all.find(one => one.fits(outcome))
    if (counters === undefined) {
      const beyond = outcome !== unknownOutcome && (this.all.length >= maxOutcomes || !room())
      if (beyond || !isPlausible(outcome)) return this.of(unknownOutcome, room)
      counters = new HttpCounters(labelText({ ...this.#labels, ...outcomeLabels(outcome) }), outcome)
      this.all.push(counters)
    }
    this.#last = counters
    return counters
  }
}

const unknownOutcome: Outcome = { status: -1, grpcStatus: -1, isGrpc: false, flags: 'unknown' }

/** Statuses come from upstreams, and labels are only what the RFCs and gRPC know (0 to 16). */
function isPlausible({ status, grpcStatus }: Outcome): boolean {
  return status <= 999 && grpcStatus <= 16
}

/** As Istio: no status of gRPC is an empty label. */
function outcomeLabels({ status, grpcStatus, isGrpc, flags }: Outcome): Readonly<Record<string, string>> {
  return {
    request_protocol: isGrpc ? 'grpc' : 'http',
    response_code: status < 0 ? 'unknown' : String(status),
    grpc_response_status: grpcStatus < 0 ? '' : String(grpcStatus),
    response_flags: flags === '' ? '-' : flags,
  }
}

/** Label values escaped as Prometheus' text format asks. */
function labelText(labels: Readonly<Record<string, string>>): string {
  const escaped = (value: string) => value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escaped(value)}"`)
    .join(',')
}
