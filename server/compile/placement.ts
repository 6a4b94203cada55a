import type { CatalogueService, CatalogueSnapshot } from '../../mesh/model/catalogue.ts'
import { serviceKey } from '../../mesh/model/service.ts'
import type { Workload } from '../../mesh/model/workload.ts'

/** A port that some service declares a workload to serve. */
export interface ServedPort {
  readonly port: number
  readonly service: string
  readonly protocol: CatalogueService['ports'][number]['protocol']
}

/** The catalogue seen from the hosts: made once per catalogue, asked for every agent. */
export interface Placement {
  /** Workloads on the node, ordered by id. */
  workloadsOn(node: string): readonly Workload[]
  /** Ports of a workload, ordered, each once: of two services on one port the first by key. */
  portsOf(workload: string): readonly ServedPort[]
}

export function placementOf(catalogue: CatalogueSnapshot): Placement {
  const nodes = new Map<string, Workload[]>()
  for (const workload of catalogue.workloads.values()) {
    if (workload.node !== undefined) append(nodes, workload.node, workload)
  }
  const ports = new Map<string, ServedPort[]>()
  for (const service of catalogue.services.values()) {
    // what is declared to be outside of the mesh is not served by it, wherever it sits
    if (service.location === 'external') continue
    const protocols = new Map(service.ports.map(({ name, protocol }) => [name, protocol]))
    for (const endpoint of service.endpoints) {
      for (const [name, port] of Object.entries(endpoint.ports)) {
        const protocol = protocols.get(name) ?? 'tcp'
        const taken = ports.get(endpoint.workload)?.some(served => served.port === port) ?? false
        if (!taken) append(ports, endpoint.workload, { port, protocol, service: serviceKey(service) })
      }
    }
  }
  for (const served of ports.values()) served.sort((a, b) => a.port - b.port)
  for (const workloads of nodes.values()) workloads.sort((a, b) => (a.id < b.id ? -1 : 1))
  return { workloadsOn: node => nodes.get(node) ?? [], portsOf: workload => ports.get(workload) ?? [] }
}

function append<T>(lists: Map<string, T[]>, key: string, item: T): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [item])
  else list.push(item)
}
