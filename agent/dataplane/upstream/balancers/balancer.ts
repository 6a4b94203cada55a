import type { ClusterEndpoint } from '../endpoint.ts'

/** Chooses among the endpoints of one locality. Everything that can be prepared is, in `update`. */
export interface Balancer<E extends ClusterEndpoint> {
  /**
   * Takes the endpoints that belong here and, in the same order, those of them that may be chosen now. `isWarming` says
   * that one of these is in its slow start. Called when any of it changes, never per choice.
   */
  update(members: readonly E[], usable: readonly E[], isWarming: boolean): void
  /** One of the usable endpoints; undefined when there is none. `hash` is {@link hash53}'s, undefined for any. */
  pick(hash: number | undefined): E | undefined
}

export function haveSameWeight(endpoints: readonly ClusterEndpoint[]): boolean {
  const weight = endpoints[0]?.weight
  return endpoints.every(endpoint => endpoint.weight === weight)
}
