/** How one workload of this host answers its probes; times are RFC 3339. */
export interface WorkloadProbes {
  /** Workload id. */
  readonly workload: string
  /** What the server is told. */
  readonly state: ProbeState
  readonly probes: readonly ProbeStatus[]
}

/** `unknown` until the thresholds of a probe have been reached for the first time. */
export type ProbeState = 'unknown' | 'healthy' | 'unhealthy'

export interface ProbeStatus {
  /** What is done: `tcp 10.0.0.7:8080`. */
  readonly check: string
  readonly state: ProbeState
  /** Why the last check failed; absent when it did not. */
  readonly failure?: string
  /** When it last answered, or was given up; absent before the first time. */
  readonly lastAt?: string
}

/** The word for what is decided. */
export function stateOf(healthy: boolean | undefined): ProbeState {
  return healthy === undefined ? 'unknown' : healthy ? 'healthy' : 'unhealthy'
}
