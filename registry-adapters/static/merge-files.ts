import { type RegistryProblem, type RegistrySnapshot, registrySnapshot } from '../../mesh/model/catalogue.ts'
import { type Endpoint, type Service, serviceKey } from '../../mesh/model/service.ts'
import type { NativeWorkload } from '../../mesh/resources/native.ts'
import { endpointFromNative, serviceFromNative, workloadFromNative } from '../../mesh/resources/native-to-model.ts'
import { describeResource, type Resource } from '../../mesh/resources/resource.ts'
import { snapshotFromResources } from '../../mesh/resources/to-model.ts'
import type { Declared, RegistryFile } from './registry-file.ts'

/**
 * Makes one view of all files, which are given in the order in which they win: a service or workload that is declared
 * again is left out and named with the place of the first. Endpoints of one service may come from any number of files.
 */
export function mergeFiles(registryName: string, files: readonly RegistryFile[]): RegistrySnapshot {
  const problems: RegistryProblem[] = []
  const places = new Map<string, string>()
  const first = <T>(items: readonly Declared<T>[], nameOf: (item: T) => string): Declared<T>[] =>
    items.filter(({ place, value }) => {
      const name = nameOf(value)
      const earlier = places.get(name)
      if (earlier === undefined) return places.set(name, place)
      problems.push({ item: place, reason: `${name} is declared at ${earlier} too, that one is used` })
      return false
    })
  const perFile = files.map(file => ({
    resources: first(file.resources, resourceName),
    services: first(file.services, service => `service ${serviceKey(service)}`),
    workloads: first(file.workloads, workload => `workload ${serviceKey(workload)}`),
  }))
  const resources = perFile.flatMap(file => file.resources)
  const base = snapshotFromResources(
    registryName,
    resources.map(resource => resource.value),
  )
  const placeOf = new Map(resources.map(({ place, value }) => [describeResource(value), place]))
  const declared = perFile.flatMap(file => file.services).map(service => serviceFromNative(service.value))
  const services = new Map([...base.services.values(), ...declared].map(service => [serviceKey(service), service]))
  const natives = perFile.flatMap(file => file.workloads)
  const joined = natives.flatMap(native => endpointsOf(registryName, native, services, problems))
  return registrySnapshot({
    services: sortedServices(services, joined),
    workloads: [...base.workloads.values(), ...natives.map(native => workloadFromNative(registryName, native.value))],
    problems: [
      ...base.problems.map(({ item, reason }) => ({ item: placeOf.get(item) ?? item, reason: `${item} ${reason}` })),
      ...problems,
    ],
  })
}

interface Joined {
  readonly service: string
  readonly endpoint: Endpoint
}

/** The services a workload says it serves; what it says wrongly is left out, the rest of it stays. */
function endpointsOf(
  registryName: string,
  { place, value }: Declared<NativeWorkload>,
  services: ReadonlyMap<string, Service>,
  problems: RegistryProblem[],
): Joined[] {
  const { id } = workloadFromNative(registryName, value)
  return Object.entries(value.services ?? {}).flatMap(([name, ports]): Joined[] => {
    const key = serviceKey({ namespace: value.namespace, name })
    const service = services.get(key)
    const made =
      service === undefined
        ? ({ kind: 'bad', reason: `service ${key} is declared nowhere` } as const)
        : endpointFromNative(service, id, ports)
    if (made.kind === 'good') return [{ service: key, endpoint: made.endpoint }]
    problems.push({ item: place, reason: `workload ${serviceKey(value)} is not behind ${name}: ${made.reason}` })
    return []
  })
}

function sortedServices(services: ReadonlyMap<string, Service>, joined: readonly Joined[]): Service[] {
  const keys = [...services.keys()].sort()
  const endpointsByService = Map.groupBy(joined, one => one.service)
  return keys.flatMap(key => {
    const service = services.get(key)
    if (service === undefined) return []
    const more = (endpointsByService.get(key) ?? []).map(one => one.endpoint)
    return [{ ...service, endpoints: [...service.endpoints, ...more].sort((a, b) => compare(a.workload, b.workload)) }]
  })
}

/** What a declaration must be unique as: a WorkloadEntry and a workload of the short form share their names. */
function resourceName(resource: Resource): string {
  switch (resource.kind) {
    case 'WorkloadEntry':
      return `workload ${serviceKey(resource.metadata)}`
    case 'ServiceEntry':
      return `service ${serviceKey(resource.metadata)}`
    default:
      return describeResource(resource)
  }
}

function compare(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
