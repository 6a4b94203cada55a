import type { ClusterSettings } from '../../../mesh/routing/cluster.ts'
import { retryLimit } from './retry-budget.ts'
import type { SharedCounts } from './shared-counts.ts'

/** What a circuit breaker limits: connections that are open, requests that wait for one, requests, and retries. */
export type Limited = 'connections' | 'pending' | 'requests' | 'retries'

type Limits = Pick<
  ClusterSettings,
  'maxConnections' | 'maxPendingRequests' | 'maxRequests' | 'maxRetries' | 'retryBudget' | 'rule'
>

/** Where the agent's other threads count the same cluster. */
export interface BreakerShare {
  readonly counts: SharedCounts
  /** What the cluster goes by in all of them: the caller and the cluster's name. */
  readonly name: string
}

const indices = { connections: 0, pending: 1, requests: 2, retries: 3 } as const
const kinds: readonly Limited[] = ['connections', 'pending', 'requests', 'retries']

/**
 * Counts what is under way to a cluster against the cluster's limits (Envoy, "Circuit breaking"): of all data threads
 * with a share, else of this one. What was acquired is released exactly once by whoever acquired it, also when the
 * settings have changed in between. Threads that acquire at the same moment may together go past a limit by one each; who
 * waits for what another thread holds is not told of its release and has to look again.
 */
export class CircuitBreaker {
  #limits: Limits
  readonly #share: BreakerShare | undefined
  /** Only clusters with limits of their own take one. */
  #slot: number | undefined
  readonly #open = { connections: 0, pending: 0, requests: 0, retries: 0 }
  readonly #refused = { connections: 0, pending: 0, requests: 0, retries: 0 }

  constructor(limits: Limits, share?: BreakerShare) {
    this.#limits = limits
    this.#share = share
    this.configure(limits)
  }

  configure(limits: Limits): void {
    this.#limits = limits
    if (this.#share === undefined || this.#slot !== undefined || !hasLimits(limits)) return
    const { counts, name } = this.#share
    this.#slot = counts.slot(name)
    if (this.#slot !== undefined) for (const what of kinds) counts.add(this.#slot, indices[what], this.#open[what])
  }

  /** Whether other threads acquire and release of it too. */
  get isShared(): boolean {
    return this.#slot !== undefined
  }

  /** What this thread has acquired and not released. */
  get open(): Readonly<Record<Limited, number>> {
    return this.#open
  }

  /** How often each limit was hit in this thread, for metrics. */
  get refused(): Readonly<Record<Limited, number>> {
    return this.#refused
  }

  /** Whether one more would be within the limit now. */
  hasRoom(what: Limited): boolean {
    const limit = this.#limitOf(what)
    return limit === Number.POSITIVE_INFINITY || this.#count(what) < limit
  }

  /** Counts one more; false, and nothing counted, when that is more than the limit. */
  acquire(what: Limited): boolean {
    if (!this.hasRoom(what)) {
      this.#refused[what] += 1
      return false
    }
    this.#add(what, 1)
    return true
  }

  release(what: Limited): void {
    if (this.#open[what] > 0) this.#add(what, -1)
  }

  /** Whether retries have a number of their own (`maxRetries`) and no budget. */
  get hasFixedRetries(): boolean {
    return this.#limits.maxRetries !== undefined
  }

  /** Names the limit for a refusal: `maxRequests 100 of DestinationRule shop/cart`. */
  describe(what: Limited): string {
    const { rule } = this.#limits
    return `${this.#nameOf(what)} ${this.#limitOf(what)}${rule === '' ? '' : ` of ${rule}`}`
  }

  #add(what: Limited, by: number): void {
    this.#open[what] += by
    if (this.#slot !== undefined) this.#share?.counts.add(this.#slot, indices[what], by)
  }

  #count(what: Limited): number {
    const own = this.#open[what]
    return this.#slot === undefined ? own : (this.#share?.counts.total(this.#slot, indices[what]) ?? own)
  }

  #limitOf(what: Limited): number {
    switch (what) {
      case 'connections':
        return this.#limits.maxConnections ?? Number.POSITIVE_INFINITY
      case 'pending':
        return this.#limits.maxPendingRequests ?? Number.POSITIVE_INFINITY
      case 'requests':
        return this.#limits.maxRequests ?? Number.POSITIVE_INFINITY
      case 'retries':
        return retryLimit(this.#limits, this.#count('requests') + this.#count('pending'))
    }
  }

  #nameOf(what: Limited): string {
    switch (what) {
      case 'connections':
        return 'maxConnections'
      case 'pending':
        return 'maxPendingRequests'
      case 'requests':
        return 'maxRequests'
      case 'retries':
        return this.#limits.maxRetries === undefined ? 'retryBudget' : 'maxRetries'
    }
  }
}

function hasLimits({ maxConnections, maxPendingRequests, maxRequests, maxRetries }: Limits): boolean {
  return [maxConnections, maxPendingRequests, maxRequests, maxRetries].some(limit => limit !== undefined)
}
