import { type Table, tableOf } from '../std/table.ts'
import { type Service, serviceKey } from './service.ts'
import type { Workload } from './workload.ts'

/** Something a registry says that cannot be used: left out by name, while everything else is in use. */
export interface RegistryProblem {
  /** What it is about, as its owner knows it: a file with line and column, a Consul service id. */
  readonly item: string
  readonly reason: string
}

/**
 * Everything one registry knows at one moment. What has not changed since the last one is the same object in tables
 * made from the last ones, so that a change costs what it touches.
 */
export interface RegistrySnapshot {
  /** By {@link serviceKey}. */
  readonly services: Table<Service>
  /** By {@link Workload.id}. */
  readonly workloads: Table<Workload>
  readonly problems: readonly RegistryProblem[]
}

/** A service as the mesh knows it: merged from all registries, with its stable virtual IPs. */
export interface CatalogueService extends Service {
  /** One IPv4 and one IPv6 address that belong to this service for good. */
  readonly virtualIps: readonly string[]
  /** Names of the registries that speak of it. */
  readonly registries: readonly string[]
}

/** A workload as the mesh knows it: its health is what counts, whoever told it. */
export interface CatalogueWorkload extends Workload {
  /**
   * Who told the health: the registry's name, `probe` for a check that the mesh runs itself, `pending` before its
   * first answer, or `assumed`.
   */
  readonly healthFrom: string
  /** When the workload appeared, and when its health last changed; milliseconds since 1970. */
  readonly since: number
  readonly healthSince: number
  /** True while it has vanished from its registry and is kept until that is confirmed. */
  readonly held: boolean
}

/** What all registries say, merged: immutable, ordered by key. */
export interface CatalogueSnapshot {
  readonly services: Table<CatalogueService>
  /** By {@link Workload.id}. */
  readonly workloads: Table<CatalogueWorkload>
  readonly problems: readonly RegistryProblem[]
}

/** A view of lists, for registries that are small; of two items with one key the first is used and the other named. */
export function registrySnapshot(lists: {
  readonly services: Iterable<Service>
  readonly workloads: Iterable<Workload>
  readonly problems?: readonly RegistryProblem[]
}): RegistrySnapshot {
  const problems = [...(lists.problems ?? [])]
  const unique = <T>(kind: string, items: Iterable<T>, keyOf: (item: T) => string): Table<T> => {
    const byKey = new Map<string, T>()
    for (const item of items) {
      const key = keyOf(item)
      if (byKey.has(key)) problems.push({ item: `${kind} ${key}`, reason: 'it is listed twice, the first one is used' })
      else byKey.set(key, item)
    }
    return tableOf(byKey)
  }
  const workloads = unique('workload', lists.workloads, workload => workload.id)
  const services = unique('service', lists.services, serviceKey)
  return { services, workloads, problems }
}

/** A registry that knows nothing. */
export const emptySnapshot: RegistrySnapshot = { services: tableOf(), workloads: tableOf(), problems: [] }
