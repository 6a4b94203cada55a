import type { CatalogueSnapshot, RegistrySnapshot } from '../mesh/model/catalogue.ts'
import type { Service } from '../mesh/model/service.ts'
import type { Watch } from '../mesh/std/watch.ts'
import { withHostClaims } from './catalogue/host-claims.ts'

/** A registry's view as far as it is read here. */
export interface ViewOfRegistry {
  readonly name: string
  readonly snapshot: Pick<Watch<RegistrySnapshot | undefined>, 'value'>
}

/** What one registry contributes to a service, whether the merge rule uses it or not. */
export interface RegistryPart {
  readonly registry: string
  readonly service: Service
  /** How many of the endpoints take new connections: healthy, with a weight, and not merely held. */
  readonly healthy: number
  /** Sum of the endpoints' own weights. */
  readonly weight: number
}

/** The parts of a service, by its key, in the order of the configuration; empty when no registry knows it. */
export function registryParts(
  key: string,
  views: readonly ViewOfRegistry[],
  workloads: CatalogueSnapshot['workloads'],
): readonly RegistryPart[] {
  const claims = views.flatMap(({ name, snapshot }) => {
    const service = snapshot.value?.services.get(key)
    return service === undefined ? [] : [{ registry: name, service }]
  })
  return withHostClaims(claims).map(({ registry, service }) => {
    const endpoints = service.endpoints.map(endpoint => {
      const workload = workloads.get(endpoint.workload)
      const weight = endpoint.weight ?? workload?.weight ?? 0
      return { weight, usable: workload?.health === 'healthy' && !workload.held && weight > 0 }
    })
    const healthy = endpoints.filter(one => one.usable).length
    return { registry, service, healthy, weight: endpoints.reduce((sum, one) => sum + one.weight, 0) }
  })
}
