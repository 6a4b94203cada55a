import type { Clock } from '../../../mesh/std/clock.ts'
import type { LocalTarget, Table } from '../table.ts'
import { Admission } from './admission.ts'
import { CircuitBreaker } from './circuit-breaker.ts'
import type { SharedCounts } from './shared-counts.ts'

/** What bounds the requests to one local port. */
export interface LocalLimits {
  readonly limits: CircuitBreaker
  readonly admission: Admission
  readonly countsConnections: boolean
}

interface Kept extends LocalLimits {
  readonly table: Table
  readonly isBounded: boolean
}

/** The inbound pools of this host's workloads: by port or as a whole of their Sidecar, else of their DestinationRule. */
export class InboundLimits {
  readonly #kept = new Map<string, Kept>()
  readonly #clock: Clock
  readonly #counts: SharedCounts | undefined

  /** With `counts` the limits are those of all threads together. */
  constructor(clock: Clock, counts?: SharedCounts) {
    this.#clock = clock
    this.#counts = counts
  }

  /** What bounds requests to the port; undefined when nothing does. */
  of(table: Table, target: LocalTarget): LocalLimits | undefined {
    const { authority, workload, service, port } = target
    let kept = this.#kept.get(authority)
    if (kept?.table !== table) {
      const { namespace, labels } = workload
      const pool = table.routing.inboundPool({ namespace, labels }, service.host, port.port)
      const settings = {
        ...pool,
        maxRetries: undefined,
        retryBudget,
        rule: table.routing.sidecar({ namespace, labels }).name,
      }
      const share = this.#counts && { counts: this.#counts, name: `inbound ${authority}` }
      const limits = kept?.limits ?? new CircuitBreaker(settings, share)
      limits.configure(settings)
      kept = {
        table,
        limits,
        admission: kept?.admission ?? new Admission(limits, this.#clock),
        countsConnections: pool.maxConnections !== undefined && port.protocol !== 'http2' && port.protocol !== 'grpc',
        isBounded: pool.maxConnections !== undefined || pool.maxRequests !== undefined,
      }
      this.#kept.set(authority, kept)
    }
    return kept.isBounded ? kept : undefined
  }

  /** Forgets ports that the host does not serve any more and nothing is under way to. */
  prune(table: Table): void {
    for (const [authority, { limits }] of this.#kept) {
      if (!table.local.has(authority) && limits.open.requests === 0) this.#kept.delete(authority)
    }
  }
}

/** Of no use to a caller that never retries by itself. */
const retryBudget = { percent: 20, minRetryConcurrency: 3 } as const
