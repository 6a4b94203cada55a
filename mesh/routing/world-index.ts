import type { Config, SidecarSpec, VirtualServiceSpec } from '../model/traffic.ts'
import { type HttpRule, httpRules, isDelegate, type VirtualServicesByName } from './delegates.ts'
import { createDestinationRules, type DestinationRules } from './destination-rules.ts'
import { fullHost, isWildcard } from './hosts.ts'
import { createSuffixIndex, type SuffixIndex } from './suffixes.ts'
import { byAge, exportSet } from './visibility.ts'
import type { RoutableService, RoutingWorld } from './world.ts'

/** One name of a service: each is a destination of its own, as each host of a ServiceEntry is in Istio. */
export interface KnownHost {
  readonly host: string
  /**
   * The names that rules about it may use, itself first. `<name>.<namespace>.<domain>` and the declared hosts stand for each
   * other; declared hosts do not, as they are services of their own in Istio.
   */
  readonly names: readonly string[]
  readonly namespace: string
  readonly exports: ReadonlySet<string>
  readonly service: RoutableService
}

/** A VirtualService for calls of workloads, with its hosts in full and lower case. */
export interface KnownVirtualService {
  readonly config: Config<VirtualServiceSpec>
  readonly hosts: readonly string[]
  readonly exports: ReadonlySet<string>
  /** Its rules for requests, with those of its delegates; made when they are first asked for. */
  http(): readonly HttpRule[]
}

/** A world arranged for look-ups; nothing in it depends on a client. */
export interface WorldIndex {
  readonly world: RoutingWorld
  readonly byHost: ReadonlyMap<string, readonly KnownHost[]>
  /** Virtual and declared addresses, of the first host of their service. */
  readonly byAddress: ReadonlyMap<string, readonly KnownHost[]>
  readonly wildcardHosts: readonly KnownHost[]
  /** Those whose names end in a text: what a wildcard covers. */
  endingIn(suffix: string): Iterable<KnownHost>
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
  const byHost = new Map<string, KnownHost[]>()
  for (const service of services.toSorted(byNamespace)) {
    const { namespace, exportTo, addresses } = service
    const exports = exportTo === undefined ? toAll : exportSet(exportTo, namespace)
    for (const [position, host] of service.hosts.entries()) {
      const known: KnownHost = { host, names: namesOf(service, position, domain), namespace, exports, service }
      hosts.push(known)
      append(byHost, host, known)
      if (position === 0) for (const address of addresses) append(byAddress, address, known)
    }
  }
  let suffixes: SuffixIndex<KnownHost> | undefined
  const byName = new Map(traffic.virtualServices.map(one => [`${one.namespace}/${one.name}`, one] as const))
  return {
    world,
    byHost,
    byAddress,
    wildcardHosts: hosts.filter(({ host }) => isWildcard(host)),
    endingIn(suffix) {
      // few meshes have wildcards in their rules
      suffixes ??= createSuffixIndex(hosts)
      return suffixes.endingIn(suffix)
    },
    virtualServices: traffic.virtualServices
      .filter(({ spec }) => isForMesh(spec.gateways) && !isDelegate(spec))
      .toSorted(byAge)
      .map(config => virtualService(config, domain, byName)),
    sidecars: traffic.sidecars.toSorted(byAge),
    destinationRules: createDestinationRules(traffic.destinationRules, traffic.rootNamespace, domain),
  }
}

function namesOf({ hosts, name, namespace }: RoutableService, position: number, domain: string): readonly string[] {
  // most services have one name: no list is made for them
  if (hosts.length === 1) return hosts
  const [own = '', host = own] = [hosts[0], hosts[position]]
  if (own !== `${name}.${namespace}.${domain}`) return [host]
  return position === 0 ? hosts : [host, own]
}

const toAll: ReadonlySet<string> = new Set()

function byNamespace(a: RoutableService, b: RoutableService): number {
  if (a.namespace === b.namespace) return 0
  return a.namespace < b.namespace ? -1 : 1
}

function append<Value>(map: Map<string, Value[]>, key: string, value: Value): void {
  const known = map.get(key)
  if (known === undefined) map.set(key, [value])
  else known.push(value)
}

/** The gateway name of calls between workloads (networking.istio.io/v1 VirtualService, `gateways`). */
export const meshGateway = 'mesh'

function isForMesh(gateways: readonly string[] | undefined): boolean {
  return gateways === undefined || gateways.length === 0 || gateways.includes(meshGateway)
}

function virtualService(
  config: Config<VirtualServiceSpec>,
  domain: string,
  all: VirtualServicesByName,
): KnownVirtualService {
  const { namespace, spec } = config
  let rules: readonly HttpRule[] | undefined
  return {
    config,
    hosts: (spec.hosts ?? []).map(host => fullHost(host.toLowerCase(), namespace, domain)),
    exports: exportSet(spec.exportTo, namespace),
    http() {
      rules ??= httpRules(config, all, domain)
      return rules
    },
  }
}
