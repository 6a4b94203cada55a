import type { OutlierSettings } from '../../../mesh/routing/cluster.ts'
import { assertNever } from '../../../mesh/std/assert-never.ts'
import type { Clock, Timer } from '../../../mesh/std/clock.ts'
import type { ClusterEndpoint, EndpointState } from './endpoint.ts'

export type EjectionCause = 'consecutive-5xx' | 'consecutive-gateway-error' | 'consecutive-local-origin-failure'

/** What happened to a connection, seen from this side of it. */
export type LocalOutcome =
  /** The endpoint was reached; what it answers is told apart, by its status. */
  | 'connected'
  /** The endpoint was reached and TCP is all that is known of it: a success. */
  | 'tcp-connected'
  | 'connect-failure'
  | 'timeout'
  | 'reset'

export type EjectionEvent =
  | {
      readonly kind: 'ejected'
      readonly endpoint: ClusterEndpoint
      readonly cause: EjectionCause
      readonly forMs: number
    }
  | { readonly kind: 'returned'; readonly endpoint: ClusterEndpoint }

export interface OutlierDeps {
  readonly clock: Clock
  /** Told of every ejection and return: after it, other endpoints may be chosen than before. */
  readonly observe: (event: EjectionEvent) => void
}

/**
 * Takes endpoints out of use for a while that fail time after time (Envoy, "Outlier detection": consecutive errors).
 * One data thread counts for itself. Ejections end at the sweep that follows their time; sweeps are only made while
 * something is ejected or was so lately that its next ejection would be longer.
 */
export class OutlierDetector {
  readonly #clock: Clock
  readonly #observe: (event: EjectionEvent) => void
  #settings: OutlierSettings | undefined
  #members: readonly ClusterEndpoint[] = []
  #active = 0
  #timer: Timer | undefined
  readonly #ejections: Record<EjectionCause, number> = {
    'consecutive-5xx': 0,
    'consecutive-gateway-error': 0,
    'consecutive-local-origin-failure': 0,
  }
  #overflows = 0

  constructor(settings: OutlierSettings | undefined, deps: OutlierDeps) {
    this.#settings = settings
    this.#clock = deps.clock
    this.#observe = deps.observe
  }

  /** Endpoints that are ejected now. */
  get ejectionsActive(): number {
    return this.#active
  }

  /** All ejections so far. */
  get ejections(): Readonly<Record<EjectionCause, number>> {
    return this.#ejections
  }

  /** How often an endpoint would have been ejected if not too many had been already. */
  get overflows(): number {
    return this.#overflows
  }

  /** Other settings for what is counted from now on; without any, nothing is ejected any more and all come back. */
  configure(settings: OutlierSettings | undefined): void {
    this.#settings = settings
    if (settings !== undefined) return
    for (const member of this.#members) {
      if (member.state.ejectedAt !== undefined) this.#return(member)
      member.state.ejectionMultiplier = 0
    }
    this.stop()
  }

  /** Takes the endpoints of the cluster, all of them; ejections of those that stay go on. */
  update(members: readonly ClusterEndpoint[]): void {
    this.#members = members
    // Two endpoints may share a state: an address that is listed twice.
    const ejected = new Set(members.map(member => member.state).filter(state => state.ejectedAt !== undefined))
    this.#active = ejected.size
    if (members.some(member => needsSweep(member.state))) this.#startSweeps()
  }

  /** Counts the status of an answer; for gRPC that is what {@link statusOfGrpc} makes of it. */
  answered(endpoint: ClusterEndpoint, status: number): void {
    const settings = this.#settings
    if (settings === undefined) return
    endpoint.state.consecutiveLocalOrigin = 0
    this.#count(endpoint, countedStatus(status, settings.errorStatuses), settings)
  }

  /** Counts what happened to a connection. */
  report(endpoint: ClusterEndpoint, outcome: LocalOutcome): void {
    const settings = this.#settings
    if (settings === undefined) return
    const { state } = endpoint
    switch (outcome) {
      case 'connected':
        state.consecutiveLocalOrigin = 0
        return
      case 'tcp-connected':
        state.consecutiveLocalOrigin = 0
        if (!settings.splitLocalOrigin) this.#count(endpoint, 200, settings)
        return
      case 'connect-failure':
      case 'reset':
      case 'timeout':
        if (!settings.splitLocalOrigin) return this.#count(endpoint, outcome === 'timeout' ? 504 : 503, settings)
        state.consecutiveLocalOrigin += 1
        if (state.consecutiveLocalOrigin !== settings.consecutiveLocalOrigin) return
        state.consecutiveLocalOrigin = 0
        return this.#eject(endpoint, 'consecutive-local-origin-failure', settings)
      default:
        assertNever(outcome)
    }
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #count(endpoint: ClusterEndpoint, status: number, settings: OutlierSettings): void {
    const { state } = endpoint
    if (status < 500 || status > 599) {
      state.consecutive5xx = 0
      state.consecutiveGatewayErrors = 0
      return
    }
    if (status >= 502 && status <= 504) {
      state.consecutiveGatewayErrors += 1
      if (state.consecutiveGatewayErrors === settings.consecutiveGatewayErrors) {
        state.consecutiveGatewayErrors = 0
        this.#eject(endpoint, 'consecutive-gateway-error', settings)
      }
    } else state.consecutiveGatewayErrors = 0
    state.consecutive5xx += 1
    if (state.consecutive5xx === settings.consecutive5xx) {
      state.consecutive5xx = 0
      this.#eject(endpoint, 'consecutive-5xx', settings)
    }
  }

  #eject(endpoint: ClusterEndpoint, cause: EjectionCause, settings: OutlierSettings): void {
    const { state } = endpoint
    // Requests to endpoints that are gone or ejected come back yet.
    if (!state.isMember || state.ejectedAt !== undefined) return
    const percent = ((this.#active + 1) * 100) / this.#members.length
    if (this.#active > 0 && percent > settings.maxEjectionPercent) {
      this.#overflows += 1
      return
    }
    const { baseEjectionMs, maxEjectionMs } = settings
    state.ejectedAt = this.#clock.monotonic()
    if (state.ejectionMultiplier * baseEjectionMs < maxEjectionMs + baseEjectionMs) state.ejectionMultiplier += 1
    this.#active += 1
    this.#ejections[cause] += 1
    this.#startSweeps()
    this.#observe({ kind: 'ejected', endpoint, cause, forMs: ejectionMs(state, settings) })
  }

  #return(endpoint: ClusterEndpoint): void {
    const { state } = endpoint
    state.ejectedAt = undefined
    // Afresh, or a counter that was about to reach its limit would soon eject it again.
    state.consecutive5xx = 0
    state.consecutiveGatewayErrors = 0
    state.consecutiveLocalOrigin = 0
    this.#active -= 1
    this.#observe({ kind: 'returned', endpoint })
  }

  #sweep(settings: OutlierSettings): void {
    const now = this.#clock.monotonic()
    let isNeeded = false
    for (const member of this.#members) {
      const { state } = member
      if (state.ejectedAt !== undefined) {
        if (now - state.ejectedAt >= ejectionMs(state, settings)) this.#return(member)
      } else if (state.ejectionMultiplier > 0) state.ejectionMultiplier -= 1
      isNeeded ||= needsSweep(state)
    }
    if (isNeeded) this.#startSweeps()
  }

  #startSweeps(): void {
    const settings = this.#settings
    if (settings === undefined) return
    this.#timer ??= this.#clock.timer(settings.intervalMs, () => {
      this.#timer = undefined
      // Settings may have changed since.
      if (this.#settings !== undefined) this.#sweep(this.#settings)
    })
  }
}

/** Where statuses are named, these are failures, of whatever class they are, and no others. */
function countedStatus(status: number, errorStatuses: readonly number[] | undefined): number {
  if (errorStatuses === undefined) return status
  return errorStatuses.includes(status) ? Math.max(status, 500) : 200
}

function needsSweep(state: EndpointState): boolean {
  return state.ejectedAt !== undefined || state.ejectionMultiplier > 0
}

function ejectionMs(state: EndpointState, settings: OutlierSettings): number {
  return Math.min(settings.baseEjectionMs * state.ejectionMultiplier, settings.maxEjectionMs)
}

/** HTTP statuses of gRPC's, by number, as Envoy counts them (google.rpc.Code). */
const grpcStatuses = [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401]

/** The HTTP status that says as much as a `grpc-status`: 14, unavailable, is 503. Numbers that gRPC lacks are 500. */
export function statusOfGrpc(grpcStatus: number): number {
  return grpcStatuses[grpcStatus] ?? 500
}
