import type { Balancer } from './balancers/balancer.ts'
import type { ClusterEndpoint } from './endpoint.ts'
import { firstWarmAt, type Warmup } from './slow-start.ts'

/** Whose health counts: only sound endpoints; those too that failed lately, when no other is left; or all, in panic. */
export type Admission = 'sound' | 'healthy' | 'all-sound' | 'all'

/** The endpoints of one locality in one priority, which one balancer chooses among. */
export class HostSet<E extends ClusterEndpoint> {
  readonly weight: number
  readonly members: readonly E[]
  readonly #balancer: Balancer<E>
  #usable: readonly E[] = []

  constructor(members: readonly E[], weight: number, balancer: Balancer<E>) {
    this.members = members
    this.weight = weight
    this.#balancer = balancer
  }

  get usable(): readonly E[] {
    return this.#usable
  }

  count(admission: Admission, now: number): number {
    let count = 0
    for (const member of this.members) if (admits(admission, member, now)) count += 1
    return count
  }

  /** Lets the balancer choose among those that are admitted. Returns when the first of them is warm. */
  arrange(admission: Admission, warmup: Warmup | undefined, now: number): number {
    this.#usable = this.members.filter(member => admits(admission, member, now))
    const warmAt = firstWarmAt(warmup, this.#usable, now)
    this.#balancer.update(this.members, this.#usable, warmAt !== Number.POSITIVE_INFINITY)
    return warmAt
  }

  pick(hash: number | undefined): E | undefined {
    return this.#balancer.pick(hash)
  }
}

function admits(admission: Admission, endpoint: ClusterEndpoint, now: number): boolean {
  const { state, health } = endpoint
  const isHealthy = admission === 'all' || admission === 'all-sound' || (health === 'healthy' && !isEjected(endpoint))
  return isHealthy && (admission === 'healthy' || admission === 'all' || state.failedUntil <= now)
}

function isEjected(endpoint: ClusterEndpoint): boolean {
  return endpoint.state.ejectedAt !== undefined
}
