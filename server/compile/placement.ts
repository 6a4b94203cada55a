import type { CatalogueService, CatalogueSnapshot, CatalogueWorkload } from '../../mesh/model/catalogue.ts'
import { serviceKey } from '../../mesh/model/service.ts'
import { changedKeys, type Table, tableOf } from '../../mesh/std/table.ts'

/** A port that some service declares a workload to serve. */
export interface ServedPort {
  readonly port: number
  readonly service: string
  readonly protocol: CatalogueService['ports'][number]['protocol']
  /** More services that are served there. */
  readonly otherServices: readonly string[]
}

type Served = Omit<ServedPort, 'otherServices'>

/** The catalogue seen from the hosts. */
export interface Placement {
  /** Workloads on the node, ordered by id. */
  workloadsOn(node: string): readonly CatalogueWorkload[]
  /** Ports of a workload, ordered, each once: of two services on one port the first by key. */
  portsOf(workload: string): readonly ServedPort[]
  /** Keys of the services that a workload serves, ordered. */
  servicesOf(workload: string): readonly string[]
}

/**
 * Follows where things are. The function returned is called with each newer catalogue and works on what differs from
 * the one before; the placement it gives stays true for that catalogue only.
 */
export function createPlacement(): (catalogue: Pick<CatalogueSnapshot, 'services' | 'workloads'>) => Placement {
  let seen: Pick<CatalogueSnapshot, 'services' | 'workloads'> = { services: tableOf(), workloads: tableOf() }
  const nodes = new Map<string, Table<CatalogueWorkload>>()
  /** Workload id to its ports by service key. */
  const ports = new Map<string, Table<readonly Served[]>>()

  const move = (
    id: string,
    from: string | undefined,
    to: string | undefined,
    workload: CatalogueWorkload | undefined,
  ): void => {
    if (from !== undefined && from !== to) change(nodes, from, id, undefined)
    if (to !== undefined) change(nodes, to, id, workload)
  }

  return catalogue => {
    for (const id of changedKeys(seen.workloads, catalogue.workloads)) {
      const workload = catalogue.workloads.get(id)
      move(id, seen.workloads.get(id)?.node, workload?.node, workload)
    }
    for (const key of changedKeys(seen.services, catalogue.services)) {
      const now = servedPorts(catalogue.services.get(key))
      for (const workload of servedPorts(seen.services.get(key)).keys()) {
        if (!now.has(workload)) change(ports, workload, key, undefined)
      }
      for (const [workload, served] of now) change(ports, workload, key, served)
    }
    seen = catalogue
    return {
      workloadsOn: node => [...(nodes.get(node)?.values() ?? [])],
      servicesOf: workload => [...(ports.get(workload)?.keys() ?? [])],
      portsOf: workload => eachOnce([...(ports.get(workload)?.values() ?? [])].flat()),
    }
  }
}

function change<T>(tables: Map<string, Table<T>>, name: string, key: string, value: T | undefined): void {
  const table = (tables.get(name) ?? tableOf<T>()).with([[key, value]])
  if (table.size === 0) tables.delete(name)
  else tables.set(name, table)
}

/** What the service declares of each workload; what is declared to be outside of the mesh is not served by it. */
function servedPorts(service: CatalogueService | undefined): ReadonlyMap<string, readonly Served[]> {
  const served = new Map<string, Served[]>()
  if (service === undefined || service.location === 'external') return served
  const protocols = new Map(service.ports.map(({ name, protocol }) => [name, protocol]))
  const key = serviceKey(service)
  for (const endpoint of service.endpoints) {
    const list = Object.entries(endpoint.ports).map(([name, port]) => {
      return { port, protocol: protocols.get(name) ?? 'auto', service: key }
    })
    served.set(endpoint.workload, [...(served.get(endpoint.workload) ?? []), ...list])
  }
  return served
}

function eachOnce(ports: readonly Served[]): readonly ServedPort[] {
  return [...Map.groupBy(ports, ({ port }) => port)]
    .flatMap(([, [first, ...others]]): readonly ServedPort[] => {
      if (first === undefined) return []
      const services = new Set(others.map(({ service }) => service))
      services.delete(first.service)
      return [{ ...first, otherServices: [...services] }]
    })
    .sort((a, b) => a.port - b.port)
}
