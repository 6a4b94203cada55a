import type { Config, SidecarSpec, VirtualServiceSpec } from '../model/traffic.ts'
import { createDestinationRules, type DestinationRules } from './destination-rules.ts'
import { fullHost, isWildcard } from './hosts.ts'
import { byAge, exportSet } from './visibility.ts'
import type { RoutableService, RoutingWorld } from './world.ts'

/** One name of a service: each is a destination of its own, as each host of a ServiceEntry is in Istio. */
export interface KnownHost {
  readonly host: string
  readonly namespace: string
  readonly exports: ReadonlySet<string>
  readonly service: RoutableService
}

/** A VirtualService for calls of workloads, with its hosts in full and lower case. */
export interface KnownVirtualService {
  readonly config: Config<VirtualServiceSpec>
  readonly hosts: readonly string[]
  readonly exports: ReadonlySet<string>
}

/** A world arranged for look-ups; nothing in it depends on a client. */
export interface WorldIndex {
  readonly world: RoutingWorld
  readonly hosts: readonly KnownHost[]
  readonly byHost: ReadonlyMap<string, readonly KnownHost[]>
  /** Virtual and declared addresses, of the first host of their service. */
  readonly byAddress: ReadonlyMap<string, readonly KnownHost[]>
  readonly wildcardHosts: readonly KnownHost[]
  /** Oldest first. */
  readonly virtualServices: readonly KnownVirtualService[]
  /** Oldest first. */
  readonly sidecars: readonly Config<SidecarSpec>[]
  readonly destinationRules: DestinationRules
}

export function indexWorld(world: RoutingWorld): WorldIndex {
  const { services, traffic, domain } = world
  const hosts: KnownHost[] = []
  const byAddress = new Map<string, KnownHost[]>()
  for (const service of services.toSorted((a, b) => (a.namespace < b.namespace ? -1 : 1))) {
    const { namespace, exportTo, addresses } = service
    const exports = exportSet(exportTo, namespace)
    const known = service.hosts.map((host): KnownHost => ({ host, namespace, exports, service }))
    hosts.push(...known)
    const [first] = known
    if (first === undefined) continue
    for (const address of addresses) byAddress.set(address, [...(byAddress.get(address) ?? []), first])
  }
  return {
    world,
    hosts,
    byHost: Map.groupBy(hosts, ({ host }) => host),
    byAddress,
    wildcardHosts: hosts.filter(({ host }) => isWildcard(host)),
    virtualServices: traffic.virtualServices
      .filter(({ spec }) => isForMesh(spec.gateways))
      .toSorted(byAge)
      .map(config => virtualService(config, domain)),
    sidecars: traffic.sidecars.toSorted(byAge),
    destinationRules: createDestinationRules(traffic.destinationRules, traffic.rootNamespace, domain),
  }
}

/** The gateway name of calls between workloads (networking.istio.io/v1 VirtualService, `gateways`). */
export const meshGateway = 'mesh'

function isForMesh(gateways: readonly string[] | undefined): boolean {
  return gateways === undefined || gateways.length === 0 || gateways.includes(meshGateway)
}

function virtualService(config: Config<VirtualServiceSpec>, domain: string): KnownVirtualService {
  const { namespace, spec } = config
  return {
    config,
    hosts: (spec.hosts ?? []).map(host => fullHost(host.toLowerCase(), namespace, domain)),
    exports: exportSet(spec.exportTo, namespace),
  }
}
