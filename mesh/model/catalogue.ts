import type { Service } from './service.ts'
import type { Workload } from './workload.ts'

/** Something a registry says that cannot be used: left out by name, while everything else is in use. */
export interface RegistryProblem {
  /** What it is about, as its owner knows it: a file with line and column, a Consul service id. */
  readonly item: string
  readonly reason: string
}

/** Everything one registry knows at one moment. */
export interface RegistrySnapshot {
  readonly services: readonly Service[]
  readonly workloads: readonly Workload[]
  readonly problems: readonly RegistryProblem[]
}

/** A service as the mesh knows it: merged from all registries, with its stable virtual IPs. */
export interface CatalogueService extends Service {
  /** One IPv4 and one IPv6 address that belong to this service for good. */
  readonly virtualIps: readonly string[]
  /** Names of the registries that speak of it. */
  readonly registries: readonly string[]
}

/** What all registries say, merged: immutable, ordered by key. */
export interface CatalogueSnapshot {
  readonly services: ReadonlyMap<string, CatalogueService>
  /** By {@link Workload.id}. */
  readonly workloads: ReadonlyMap<string, Workload>
  readonly problems: readonly RegistryProblem[]
}
