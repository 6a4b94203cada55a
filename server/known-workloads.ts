import type { AnalyzedWorkload } from '../mesh/analyze/finding.ts'
import type { CatalogueSnapshot } from '../mesh/model/catalogue.ts'
import { type Protocol, serviceKey } from '../mesh/model/service.ts'

/** Where bytes are judged and not requests; what nobody declares may be requests. */
const opaque: ReadonlySet<Protocol> = new Set(['tcp', 'tls'])

/** The workloads of the catalogue as policies see them; undefined while there are none. */
export function knownWorkloads({ services, workloads }: CatalogueSnapshot): readonly AnalyzedWorkload[] | undefined {
  if (workloads.size === 0) return undefined
  const served = new Map<string, { readonly services: Set<string>; readonly ports: Map<number, 'http' | 'tcp'> }>()
  for (const service of services.values()) {
    if (service.location === 'external') continue
    const protocols = new Map(service.ports.map(({ name, protocol }) => [name, protocol]))
    for (const { workload, ports } of service.endpoints) {
      const known = served.get(workload) ?? { services: new Set(), ports: new Map() }
      served.set(workload, known)
      known.services.add(serviceKey(service))
      for (const [name, port] of Object.entries(ports)) {
        const protocol = opaque.has(protocols.get(name) ?? 'auto') ? 'tcp' : 'http'
        if (!known.ports.has(port)) known.ports.set(port, protocol)
      }
    }
  }
  return [...workloads.values()].map(({ id, namespace, labels, node, serviceAccount }) => ({
    namespace,
    labels,
    services: [...(served.get(id)?.services ?? [])],
    ports: [...(served.get(id)?.ports ?? [])].map(([port, protocol]) => ({ port, protocol })),
    isMeshed: node !== undefined && serviceAccount !== undefined,
  }))
}
