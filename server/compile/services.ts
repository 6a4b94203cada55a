import { workloadSpiffeId } from '../../mesh/identity/spiffe-id.ts'
import type { MeshEndpoint, MeshServiceResource } from '../../mesh/model/agent-config.ts'
import type { CatalogueService, CatalogueSnapshot } from '../../mesh/model/catalogue.ts'
import type { Endpoint } from '../../mesh/model/service.ts'
import type { Workload } from '../../mesh/model/workload.ts'
import type { CompileSettings } from './settings.ts'

/** A compiled service with what it was made of, so that the next compilation can tell whether it still holds. */
export interface CompiledService {
  readonly from: CatalogueService
  readonly workloads: readonly (Workload | undefined)[]
  readonly resource: MeshServiceResource
}

export type CompiledServices = ReadonlyMap<string, CompiledService>

/**
 * Compiles every service, the same for all agents. Services of `previous` whose parts are the very same objects are
 * taken over, so a change costs what it touches.
 */
export function compileServices(
  catalogue: CatalogueSnapshot,
  settings: CompileSettings,
  previous: CompiledServices = new Map(),
): CompiledServices {
  const compiled = new Map<string, CompiledService>()
  for (const [key, service] of catalogue.services) {
    const workloads = service.endpoints.map(endpoint => catalogue.workloads.get(endpoint.workload))
    const had = previous.get(key)
    const same = had?.from === service && workloads.every((workload, index) => workload === had.workloads[index])
    compiled.set(key, same ? had : { from: service, workloads, resource: compileService(service, workloads, settings) })
  }
  return compiled
}

function compileService(
  service: CatalogueService,
  workloads: readonly (Workload | undefined)[],
  settings: CompileSettings,
): MeshServiceResource {
  const external = service.location === 'external'
  const endpoints = service.endpoints.flatMap((endpoint, index) => {
    const workload = workloads[index]
    return workload === undefined ? [] : [compileEndpoint(endpoint, workload, external, settings)]
  })
  const own = `${service.name}.${service.namespace}.${settings.dnsDomain}`
  return {
    kind: 'service',
    namespace: service.namespace,
    name: service.name,
    hosts: [...new Set([own, ...[...service.hosts].sort()])],
    virtualIps: service.virtualIps,
    addresses: [...service.addresses].sort(),
    external,
    ports: [...service.ports].sort((a, b) => a.port - b.port),
    endpoints: endpoints.sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)),
  }
}

function compileEndpoint(
  endpoint: Endpoint,
  workload: Workload,
  external: boolean,
  settings: CompileSettings,
): MeshEndpoint {
  const identity = external ? undefined : identityOf(workload, settings.trustDomain)
  return {
    id: workload.id,
    address: workload.address,
    ports: sortedRecord(endpoint.ports),
    ...(identity === undefined ? {} : { identity }),
    workload: workload.name,
    namespace: workload.namespace,
    labels: sortedRecord(workload.labels),
    locality: workload.locality,
    weight: workload.weight,
    health: workload.health,
  }
}

/**
 * What to expect of a workload: an identity when it has one and a host whose agent can prove it. Whether that agent
 * already may hold it is not asked: a workload that should prove itself and cannot is not called in plaintext instead.
 */
export function identityOf(workload: Workload, trustDomain: string): string | undefined {
  if (workload.node === undefined || workload.serviceAccount === undefined) return undefined
  return workloadSpiffeId(trustDomain, workload.namespace, workload.serviceAccount)
}

/** The same entries in one order, so that the same content gives the same bytes. */
export function sortedRecord<T>(record: Readonly<Record<string, T>>): Readonly<Record<string, T>> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
}
