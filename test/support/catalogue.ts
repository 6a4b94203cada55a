import {
  type CatalogueService,
  type CatalogueSnapshot,
  type CatalogueWorkload,
  type RegistrySnapshot,
  registrySnapshot,
} from '../../mesh/model/catalogue.ts'
import { unknownLocality } from '../../mesh/model/locality.ts'
import { type Service, serviceKey } from '../../mesh/model/service.ts'
import type { Workload } from '../../mesh/model/workload.ts'
import { tableOf } from '../../mesh/std/table.ts'

/** A workload with everything that a test does not care about filled in; its registry is read from its id. */
export function workload(given: Partial<Workload> & { readonly id: string }): Workload {
  const [registry = '', name = ''] = given.id.split('/')
  return {
    registry,
    name,
    namespace: 'default',
    address: '10.0.0.1',
    labels: {},
    locality: unknownLocality,
    weight: 1,
    health: 'healthy',
    callers: [],
    ...given,
  }
}

/** A service with one HTTP port, 80 to 8080 on the workloads named. */
export function service(name: string, workloads: readonly string[] = [], given: Partial<Service> = {}): Service {
  return {
    namespace: 'default',
    name,
    hosts: [],
    addresses: [],
    location: 'mesh',
    ports: [{ name: 'http', port: 80, protocol: 'http' }],
    endpoints: workloads.map(id => ({ workload: id, ports: { http: 8080 } })),
    ...given,
  }
}

/** A registry's view of these, without problems. */
export function snapshotOf(services: readonly Service[], workloads: readonly Workload[]): RegistrySnapshot {
  return registrySnapshot({ services, workloads })
}

/** A view as plain lists, to compare: two tables that say the same need not be made alike. */
export function plain(view: RegistrySnapshot) {
  return { services: [...view.services.values()], workloads: [...view.workloads.values()], problems: view.problems }
}

/** A workload of the catalogue whose registry told its health at the beginning of time. */
export function catalogueWorkload(given: Workload): CatalogueWorkload {
  return { ...given, healthFrom: given.registry, since: 0, healthSince: 0, held: false }
}

/** A merged catalogue of these, each service with virtual IPs of its own and known from its first endpoint's registry. */
export function catalogueOf(services: readonly Service[], workloads: readonly Workload[]): CatalogueSnapshot {
  const merged = services.map((one, at): CatalogueService => {
    const registry = one.endpoints[0]?.workload.split('/')[0] ?? 'files'
    return { ...one, virtualIps: [`240.240.0.${at + 1}`, `fd77::${at + 1}`], registries: [registry] }
  })
  return {
    services: tableOf(merged.map(one => [serviceKey(one), one] as const)),
    workloads: tableOf(workloads.map(one => [one.id, catalogueWorkload(one)] as const)),
    problems: [],
  }
}
