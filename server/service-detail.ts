import { isIPv6 } from 'node:net'
import type { CatalogueService, CatalogueSnapshot } from '../mesh/model/catalogue.ts'
import { type Endpoint, serviceKey } from '../mesh/model/service.ts'
import type { Health } from '../mesh/model/workload.ts'
import { differenceOf } from './catalogue/difference.ts'
import type { MergeRules } from './catalogue/merge-rules.ts'
import { type RegistryPart, registryParts, type ViewOfRegistry } from './registry-parts.ts'
import { percentOf, sharesByRule } from './traffic-shares.ts'

/** One endpoint of a service, as operators see it. */
export interface EndpointDetail {
  /** Workload id. */
  readonly workload: string
  readonly registry: string
  /** `10.0.0.1:8080`, one for each port of the service that it serves. */
  readonly addresses: readonly string[]
  readonly node?: string
  readonly weight: number
  /** Percent of the service's traffic that it gets now: among those that take new connections. */
  readonly share: number
  /** False for one that the merge rule leaves out. */
  readonly used: boolean
  readonly health: Health
  readonly healthReason?: string
  /** The registry's name, `probe` or `assumed`. */
  readonly healthFrom: string
  /** When it appeared, and when its health changed last; milliseconds since 1970. */
  readonly since: number
  readonly healthSince: number
  readonly held: boolean
}

/** What one registry has to do with a service. */
export interface RegistryShare {
  readonly registry: string
  /** Percent of the traffic that the merge rule means for it. */
  readonly share: number
  readonly endpoints: number
  readonly healthy: number
  /** Why its endpoints cannot go together with those of the first registry. */
  readonly disagreement?: string
}

/** Who says what of a service, and what came out of it. */
export interface ServiceDetail {
  readonly namespace: string
  readonly name: string
  readonly hosts: readonly string[]
  readonly virtualIps: readonly string[]
  readonly location: string
  readonly ports: readonly { readonly name: string; readonly port: number; readonly protocol: string }[]
  readonly rule: 'error' | 'union' | 'prefer'
  /** Who says so: `merge.rule`, `merge.services`, `ServiceMerge default/payments`. */
  readonly ruleFrom: string
  readonly registries: readonly RegistryShare[]
  readonly endpoints: readonly EndpointDetail[]
}

export interface ServiceDetailSources {
  readonly catalogue: CatalogueSnapshot
  readonly views: readonly ViewOfRegistry[]
  readonly rules: MergeRules
}

/** Puts together everything there is to know about a service of the catalogue. */
export function serviceDetail(sources: ServiceDetailSources, service: CatalogueService): ServiceDetail {
  const { namespace, name, hosts, virtualIps, location, ports } = service
  const parts = registryParts(serviceKey(service), sources.views, sources.catalogue.workloads)
  const first = parts[0]?.service ?? service
  const { rule, from } = sources.rules.ruleFor(first)
  const shares = sharesByRule(rule, parts)
  const registries = parts.map(({ registry, service: said, healthy }): RegistryShare => {
    const disagreement = rule.kind === 'union' ? differenceOf(first, said) : undefined
    return {
      registry,
      share: percentOf(shares, registry),
      endpoints: said.endpoints.length,
      healthy,
      ...(disagreement === undefined ? {} : { disagreement }),
    }
  })
  const endpoints = endpointDetails(sources.catalogue, service, parts)
  return { namespace, name, hosts, virtualIps, location, ports, rule: rule.kind, ruleFrom: from, registries, endpoints }
}

/** Those in use first, each with its part of what goes to all that take new connections. */
function endpointDetails(
  { workloads }: CatalogueSnapshot,
  service: CatalogueService,
  parts: readonly RegistryPart[],
): readonly EndpointDetail[] {
  const weightOf = ({ workload, weight }: Endpoint) => weight ?? workloads.get(workload)?.weight ?? 0
  const usable = ({ workload }: Endpoint) => workloads.get(workload)?.health === 'healthy'
  const all = service.endpoints.filter(usable).reduce((sum, one) => sum + weightOf(one), 0)
  const used = new Set(service.endpoints.map(one => one.workload))
  const unused = parts.flatMap(part => part.service.endpoints).filter(one => !used.has(one.workload))
  return [...service.endpoints, ...unused].flatMap(endpoint => {
    const workload = workloads.get(endpoint.workload)
    if (workload === undefined) return []
    const { id, registry, address, node, health, healthReason, healthFrom, since, healthSince, held } = workload
    const isUsed = used.has(id)
    const weight = weightOf(endpoint)
    const host = isIPv6(address) ? `[${address}]` : address
    return {
      workload: id,
      registry,
      addresses: [...new Set(Object.values(endpoint.ports))].map(port => `${host}:${port}`),
      ...(node === undefined ? {} : { node }),
      weight,
      share: isUsed && usable(endpoint) && all > 0 ? (weight * 100) / all : 0,
      used: isUsed,
      health,
      ...(healthReason === undefined ? {} : { healthReason }),
      healthFrom,
      since,
      healthSince,
      held,
    }
  })
}
