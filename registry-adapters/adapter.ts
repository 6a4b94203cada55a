import type { RegistrySnapshot } from '../mesh/model/catalogue.ts'
import type { Clock, Random } from '../mesh/std/clock.ts'
import type { Log } from '../mesh/std/log.ts'

/**
 * A registry, seen from the catalogue. An adapter knows nothing of other registries, of virtual IPs or of agents.
 */
export interface RegistryAdapter {
  /**
   * Yields everything the registry knows, whole, each time that changes, until the signal aborts. The first yield is
   * the first good view; there is none before. An item that cannot be used is left out and named in `problems`.
   * Failures are not thrown and not yielded as an empty view: they are reported to {@link AdapterDeps.report}, and
   * the adapter tries again by itself.
   */
  watch(signal: AbortSignal): AsyncIterable<RegistrySnapshot>
}

/** `fresh`: in touch with the registry. `failing`: not, for this reason; what was yielded last stays in use. */
export type AdapterHealth = { readonly kind: 'fresh' } | { readonly kind: 'failing'; readonly reason: string }

export interface AdapterDeps {
  /** The registry's name as configured: prefix of workload ids, shown in status. */
  readonly name: string
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  report(health: AdapterHealth): void
}
