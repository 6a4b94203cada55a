import type { SeenFlow } from '../../mesh/flows/flow.ts'
import type { AgentConfig } from '../../mesh/model/agent-config.ts'

/**
 * What the control thread and the data threads say to each other. Values only: each data thread builds its own table
 * from the config and swaps it in one assignment.
 */
export type ToDataThread =
  | { readonly kind: 'config'; readonly generation: number; readonly config: AgentConfig }
  | { readonly kind: 'credentials'; readonly generation: number; readonly credentials: readonly Credential[] }
  | { readonly kind: 'listen'; readonly id: number; readonly listeners: readonly ListenerSpec[] }
  | { readonly kind: 'collect'; readonly id: number }
  | { readonly kind: 'take-flows' }
  | { readonly kind: 'drain'; readonly deadlineMs: number }
  | { readonly kind: 'looked-up'; readonly answer: NameAnswer }

export type FromDataThread =
  /** The config of this generation is in use; resources that could not be are named, the others are. */
  | { readonly kind: 'applied'; readonly generation: number; readonly rejected: readonly RejectedResource[] }
  /** By listener name; a listener that could not be opened carries its error instead. */
  | { readonly kind: 'listening'; readonly id: number; readonly bound: readonly BoundListener[] }
  | { readonly kind: 'collected'; readonly id: number; readonly report: DataThreadReport }
  | { readonly kind: 'drained' }
  /** Calls that were seen since the last time, and how many calls there was no room for. */
  | { readonly kind: 'flows'; readonly flows: readonly SeenFlow[]; readonly dropped: number }
  /** Unasked: a call is for a name, to be answered by `looked-up`. */
  | { readonly kind: 'look-up'; readonly name: string }
  /** Unasked: requests that were traced. */
  | { readonly kind: 'spans'; readonly spans: readonly FinishedSpan[] }
  /** Unasked: what outlier detection did. */
  | { readonly kind: 'ejection'; readonly notice: EjectionNotice }

/** What became of looking up a name that a call is for. */
export interface NameAnswer {
  readonly name: string
  /** Where it may be called; none when it was not found, for this reason. */
  readonly addresses: readonly string[]
  readonly ttlMs: number
  readonly reason: string
}

export interface RejectedResource {
  readonly name: string
  readonly reason: string
}

/** One identity's key and certificate chain, PEM. */
export interface Credential {
  /** SPIFFE id. */
  readonly identity: string
  readonly key: string
  readonly chain: string
}

/** A socket the data threads share by `reusePort`. */
export interface ListenerSpec {
  readonly name: string
  readonly role: ListenerRole
  readonly host: string
  readonly port: number
}

export type ListenerRole =
  /** Captured outbound connections. The identity is whose caller rules redirect here; absent is the host's default. */
  | { readonly kind: 'outbound'; readonly identity?: string; readonly workload?: string }
  /** Callers connect to it themselves: it is a listener of the Sidecars of those who may. */
  | { readonly kind: 'egress' }
  | { readonly kind: 'inbound-plaintext' }
  | { readonly kind: 'hbone' }

export interface BoundListener {
  readonly name: string
  readonly port?: number
  readonly error?: string
}

/** Totals since the thread started; the control thread adds up its threads. */
export interface DataThreadReport {
  readonly tcp: readonly TcpSeries[]
  readonly gauges: { readonly openConnections: number; readonly pooledSessions: number; readonly openStreams: number }
  /** By verdict and reason code. */
  readonly refused: readonly {
    readonly direction: 'inbound' | 'outbound'
    readonly reason: string
    readonly count: number
  }[]
  readonly http: readonly HttpSeriesReport[]
  /** Requests that an agent answered itself, by reason code. */
  readonly localReplies: DataThreadReport['refused']
  /** What policies of dry runs would have decided otherwise. */
  readonly dryRuns: readonly DryRunCount[]
  /** What outlier detection does. */
  readonly ejections: EjectionReport
  /** Access-log lines given up because their reader was too slow. */
  readonly droppedLogLines: number
}

/** One label set of the `istio_tcp_*` metrics. */
export interface TcpSeries {
  readonly labels: Readonly<Record<string, string>>
  readonly opened: number
  readonly closed: number
  /** What the caller sent (Istio's `istio_tcp_received_bytes_total`, which counts from the destination's side). */
  readonly sentBytes: number
  /** What the caller received (Istio's `istio_tcp_sent_bytes_total`). */
  readonly receivedBytes: number
}

/** One label set of the `istio_request*` metrics. */
export interface HttpSeriesReport {
  /** As Prometheus' text format has them, without braces. */
  readonly labels: string
  /** `telemetry/http-series.ts` says what is where. */
  readonly values: Float64Array
}

export interface DryRunCount {
  /** `AuthorizationPolicy default/api`; `AuthorizationPolicy none` where no rule of theirs would have matched. */
  readonly policy: string
  readonly verdict: 'allowed' | 'denied'
  count: number
}

export interface EjectionReport {
  /** Endpoints that get no requests now; each thread has its own opinion, and counts its own. */
  readonly active: number
  /** How often one was taken out, by cause: `consecutive-5xx`. */
  readonly totals: Readonly<Record<string, number>>
}

/** An endpoint (`ip:port`) was taken out of use in one thread, or is back. */
export type EjectionNotice = { readonly cluster: string; readonly endpoint: string } & (
  | { readonly kind: 'ejected'; readonly cause: string; readonly forMs: number }
  | { readonly kind: 'returned' }
)

/** Our part of one traced request, which is over. */
export interface FinishedSpan {
  /** Hexadecimal digits: 32, 16, and 16 or none. */
  readonly traceId: string
  readonly spanId: string
  readonly parentId: string
  /** W3C's `tracestate`, as it came. */
  readonly traceState: string
  readonly kind: 'client' | 'server'
  readonly name: string
  /** Whose agent this is: `<canonical service>.<namespace>` of the workload. */
  readonly service: string
  /** Wall-clock milliseconds. */
  readonly startedAt: number
  readonly durationMs: number
  readonly isError: boolean
  readonly attributes: Readonly<Record<string, string | number>>
}
