import type { RegistrySnapshot } from '../../mesh/model/catalogue.ts'
import { unknownLocality } from '../../mesh/model/locality.ts'
import type { Service } from '../../mesh/model/service.ts'
import type { Workload } from '../../mesh/model/workload.ts'

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

export function registrySnapshot(services: readonly Service[], workloads: readonly Workload[]): RegistrySnapshot {
  return { services, workloads, problems: [] }
}
