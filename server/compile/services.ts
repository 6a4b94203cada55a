import { workloadSpiffeId } from '../../mesh/identity/spiffe-id.ts'
import type { MeshEndpoint, MeshServiceResource } from '../../mesh/model/agent-config.ts'
import type { CatalogueService, CatalogueSnapshot } from '../../mesh/model/catalogue.ts'
import type { Endpoint } from '../../mesh/model/service.ts'
import type { Workload } from '../../mesh/model/workload.ts'
import { changedKeys, type Table, tableOf } from '../../mesh/std/table.ts'
import type { CompileSettings } from './settings.ts'

/**
 * Compiles every service, the same for all agents. The function returned is called with each newer catalogue and works
 * on what differs from the one before; the table is by service key.
 */
export function createServiceCompiler(): (
  catalogue: CatalogueSnapshot,
  settings: CompileSettings,
) => Table<MeshServiceResource> {
  let seen: { readonly catalogue: CatalogueSnapshot; readonly settings: CompileSettings } | undefined
  let compiled: Table<MeshServiceResource> = tableOf()
  const users = new Map<string, Set<string>>()

  const use = (service: CatalogueService | undefined, key: string, change: 'add' | 'delete'): void => {
    for (const { workload } of service?.endpoints ?? []) {
      const keys = users.get(workload) ?? new Set()
      keys[change](key)
      if (keys.size === 0) users.delete(workload)
      else users.set(workload, keys)
    }
  }

  return (catalogue, settings) => {
    const before = seen?.settings === settings ? seen.catalogue : undefined
    const changed = changedKeys(seen?.catalogue.services ?? tableOf(), catalogue.services)
    for (const key of changed) {
      use(seen?.catalogue.services.get(key), key, 'delete')
      use(catalogue.services.get(key), key, 'add')
    }
    const keys = new Set(before === undefined ? [...compiled.keys(), ...catalogue.services.keys()] : changed)
    for (const id of before === undefined ? [] : changedKeys(before.workloads, catalogue.workloads)) {
      for (const key of users.get(id) ?? []) keys.add(key)
    }
    compiled = compiled.with(
      [...keys].map(key => {
        const service = catalogue.services.get(key)
        return [key, service === undefined ? undefined : compileService(service, catalogue, settings)]
      }),
    )
    seen = { catalogue, settings }
    return compiled
  }
}

function compileService(
  service: CatalogueService,
  { workloads }: CatalogueSnapshot,
  settings: CompileSettings,
): MeshServiceResource {
  const external = service.location === 'external'
  const endpoints = service.endpoints.flatMap(endpoint => {
    const workload = workloads.get(endpoint.workload)
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
    ...compileDiscovery(service),
    ...(service.exportTo === undefined ? {} : { exportTo: [...service.exportTo].sort() }),
  }
}

/** What agents need to find endpoints that are not listed, and to know them. */
function compileDiscovery(
  service: CatalogueService,
): Pick<MeshServiceResource, 'resolution' | 'dnsEndpoints' | 'subjectAltNames'> {
  const { resolution = 'static', dnsEndpoints = [], subjectAltNames = [] } = service
  const named = dnsEndpoints.map(endpoint => {
    return { ...endpoint, ports: sortedRecord(endpoint.ports), labels: sortedRecord(endpoint.labels) }
  })
  return {
    ...(resolution === 'static' ? {} : { resolution }),
    ...(named.length === 0
      ? {}
      : { dnsEndpoints: named.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)) }),
    ...(subjectAltNames.length === 0 ? {} : { subjectAltNames: [...subjectAltNames].sort() }),
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
    weight: endpoint.weight ?? workload.weight,
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
