/**
 * A health check that the agent of a workload's host runs (Istio's ReadinessProbe, networking/v1/workload_group.proto),
 * with every default filled in. Times are milliseconds.
 */
export interface Probe {
  readonly check: ProbeCheck
  readonly initialDelayMs: number
  readonly timeoutMs: number
  readonly periodMs: number
  /** So many results in a row make an unhealthy workload healthy, or a healthy one unhealthy. */
  readonly successThreshold: number
  readonly failureThreshold: number
}

/** `unit` asks systemd for the state of a service unit; all others ask the workload itself. */
export type ProbeCheck =
  | {
      readonly kind: 'http'
      readonly scheme: 'http' | 'https'
      /** Address to connect to; the workload's own when absent. */
      readonly host?: string
      readonly port: number
      readonly path: string
      readonly headers: readonly (readonly [name: string, value: string])[]
    }
  | { readonly kind: 'tcp'; readonly host?: string; readonly port: number }
  | { readonly kind: 'grpc'; readonly port: number; readonly service: string }
  | { readonly kind: 'exec'; readonly command: readonly string[] }
  | { readonly kind: 'unit'; readonly unit: string }

/** Istio's defaults as its API documents them (failureThreshold 3, where istio-agent really uses 1). */
export const probeDefaults = {
  initialDelayMs: 0,
  timeoutMs: 1000,
  periodMs: 10_000,
  successThreshold: 1,
  failureThreshold: 3,
} as const satisfies Omit<Probe, 'check'>

/** What the numbers of a probe may be: milliseconds fit a timer, and no check is run more often than ten times a second. */
export const probeLimits = { minPeriodMs: 100, max: 2 ** 31 - 1 } as const

/** What the texts of a probe may be: what cannot be sent, or would be read as something else, is refused. */
export const probeTexts = {
  /** A path with its query, percent-encoded where RFC 3986 wants it. */
  path: /^\/[\x21-\x7e]{0,2047}$/,
  /** RFC 9110 section 5.6.2. */
  headerName: /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/,
  headerValue: /^[\x20-\x7e]{0,4096}$/,
  /** systemd.unit(5), without what looks like an option. */
  unit: /^[A-Za-z0-9:_.@][A-Za-z0-9:_.@\\-]{0,254}$/,
} as const
