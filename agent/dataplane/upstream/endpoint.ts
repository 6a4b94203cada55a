import type { Locality } from '../../../mesh/model/locality.ts'
import type { Health } from '../../../mesh/model/workload.ts'
import type { ReportedLoad } from './reported-load.ts'

/** An endpoint of a cluster as balancing sees it; whoever builds the tables implements it. */
export interface ClusterEndpoint {
  /** `ip:port`, unique in its cluster: what hash rings are made of and states are kept under. */
  readonly key: string
  /** Share of traffic in proportion to the others; without weight it gets none. */
  readonly weight: number
  readonly health: Health
  readonly labels: Readonly<Record<string, string>>
  readonly locality: Locality
  readonly state: EndpointState
}

/**
 * What one data thread has learnt of an endpoint in a cluster; outlives the tables that point to it. All times are
 * monotonic milliseconds. `active` is the caller's to count by {@link EndpointState.begin} and {@link EndpointState.end};
 * everything else belongs to the cluster.
 */
export class EndpointState {
  /** Requests, or TCP connections, under way through this thread. */
  active = 0
  /** Until when it is passed over because connecting to it failed lately; 0 when that did not happen or is made good. */
  failedUntil = 0
  /** Since when it is a healthy member, for slow start; undefined while it is not. */
  healthySince: number | undefined
  /** Whether the cluster has it among its endpoints now. */
  isMember = false
  /** Failures in a row, by kind. */
  consecutive5xx = 0
  consecutiveGatewayErrors = 0
  consecutiveLocalOrigin = 0
  /** When it was ejected; undefined while it is not. */
  ejectedAt: number | undefined
  /** By what the base ejection time was multiplied at the last ejection; shrinks while it behaves. */
  ejectionMultiplier = 0
  /** What it has reported of its load, where that counts. */
  load: ReportedLoad | undefined

  begin(): void {
    this.active += 1
  }

  end(): void {
    if (this.active > 0) this.active -= 1
  }
}

/** The states of all endpoints by cluster and address: a new table, or new settings, forget nothing. */
export class EndpointStates {
  readonly #byCluster = new Map<string, Map<string, EndpointState>>()

  /** The state of `key` in `cluster`, the same one for as long as anything holds on to it. */
  of(cluster: string, key: string): EndpointState {
    let states = this.#byCluster.get(cluster)
    if (states === undefined) {
      states = new Map()
      this.#byCluster.set(cluster, states)
    }
    let state = states.get(key)
    if (state === undefined) {
      state = new EndpointState()
      states.set(key, state)
    }
    return state
  }

  /** Forgets the endpoints that no cluster has and nothing is under way to. For after a table was applied. */
  prune(): void {
    for (const [cluster, states] of this.#byCluster) {
      for (const [key, state] of states) if (!state.isMember && state.active === 0) states.delete(key)
      if (states.size === 0) this.#byCluster.delete(cluster)
    }
  }

  get size(): number {
    let size = 0
    for (const states of this.#byCluster.values()) size += states.size
    return size
  }
}
