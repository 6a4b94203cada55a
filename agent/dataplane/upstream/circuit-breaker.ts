import type { ClusterSettings } from '../../../mesh/routing/cluster.ts'
import { retryLimit } from './retry-budget.ts'

/** What a circuit breaker limits: connections that are open, requests that wait for one, requests, and retries. */
export type Limited = 'connections' | 'pending' | 'requests' | 'retries'

type Limits = Pick<
  ClusterSettings,
  'maxConnections' | 'maxPendingRequests' | 'maxRequests' | 'maxRetries' | 'retryBudget' | 'rule'
>

/**
 * Counts what one thread has under way to a cluster against the cluster's limits (Envoy, "Circuit breaking"). What was
 * acquired is released exactly once by whoever acquired it, also when the settings have changed in between.
 */
export class CircuitBreaker {
  #limits: Limits
  readonly #open = { connections: 0, pending: 0, requests: 0, retries: 0 }
  readonly #refused = { connections: 0, pending: 0, requests: 0, retries: 0 }

  constructor(limits: Limits) {
    this.#limits = limits
  }

  configure(limits: Limits): void {
    this.#limits = limits
  }

  /** What is acquired and not released. */
  get open(): Readonly<Record<Limited, number>> {
    return this.#open
  }

  /** How often each limit was hit, for metrics. */
  get refused(): Readonly<Record<Limited, number>> {
    return this.#refused
  }

  /** Counts one more; false, and nothing counted, when that is more than the limit. */
  acquire(what: Limited): boolean {
    if (this.#open[what] >= this.#limitOf(what)) {
      this.#refused[what] += 1
      return false
    }
    this.#open[what] += 1
    return true
  }

  release(what: Limited): void {
    if (this.#open[what] > 0) this.#open[what] -= 1
  }

  /** Names the limit for a refusal: `maxRequests 100 of DestinationRule shop/cart`. */
  describe(what: Limited): string {
    const { rule } = this.#limits
    return `${this.#nameOf(what)} ${this.#limitOf(what)}${rule === '' ? '' : ` of ${rule}`}`
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
        return retryLimit(this.#limits, this.#open.requests + this.#open.pending)
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
