import { isIPv6 } from 'node:net'
import type { Config, L4MatchSpec, TcpRouteSpec, VirtualServiceSpec } from '../model/traffic.ts'
import { createRanges, type Ranges } from '../std/ip-ranges.ts'
import { isForClient } from './compile-match.ts'
import type { CompileContext } from './context.ts'
import type { EgressListener } from './egress.ts'
import { isSubsetOf } from './hosts.ts'
import type { RouteDestination } from './route.ts'
import type { RoutableService } from './world.ts'
import type { KnownVirtualService } from './world-index.ts'

/** One of the destinations of a connection; its weight decides among several. */
export interface TcpDestination {
  readonly destination: RouteDestination
  /** `VirtualService shop/db tcp[0]`. */
  readonly rule: string
}

/** A connection as far as `tls` and `tcp` rules look at it. */
export interface TcpConnection {
  /** The service whose address was dialled; undefined where nobody knows the address. */
  readonly service: RoutableService | undefined
  /** The server name of its TLS greeting, lower case; undefined for anything else than TLS. */
  readonly sni: string | undefined
  readonly destinationAddress: string
}

/** Where connections go that one client opens to one port. */
export interface TcpRoutes {
  /**
   * The destinations of the first rule that matches: `tls` rules before `tcp` rules (networking.istio.io/v1 TLSRoute,
   * TCPRoute), of the VirtualServices of the service's names, or of the server name where the service is unknown. Undefined
   * where no rule matches: the connection goes where it was going.
   */
  find(connection: TcpConnection): readonly TcpDestination[] | undefined
}

interface CompiledMatch {
  /** Undefined for any; those of a `tls` rule. */
  readonly sniHosts: readonly string[] | undefined
  readonly subnets: Ranges | undefined
}

interface CompiledRule {
  /** One of them must hold. */
  readonly matches: readonly CompiledMatch[]
  readonly destinations: readonly TcpDestination[]
}

export function createTcpRoutes(listener: EgressListener | undefined, context: CompileContext): TcpRoutes {
  const compiled = new Map<Config<VirtualServiceSpec>, readonly CompiledRule[]>()

  function rulesOf({ config }: KnownVirtualService): readonly CompiledRule[] {
    const known = compiled.get(config)
    if (known !== undefined) return known
    const rules = compileRules(config, context)
    compiled.set(config, rules)
    return rules
  }

  return {
    find(connection) {
      const { service, sni } = connection
      const names = service?.hosts ?? (sni === undefined ? [] : [sni])
      for (const virtualService of listener?.about(names) ?? []) {
        const rule = rulesOf(virtualService).find(({ matches }) => matches.some(match => holds(match, connection)))
        if (rule !== undefined) return rule.destinations
      }
      return undefined
    },
  }
}

function holds({ sniHosts, subnets }: CompiledMatch, { sni, destinationAddress }: TcpConnection): boolean {
  if (sniHosts !== undefined && (sni === undefined || !sniHosts.some(host => isSubsetOf(sni, host)))) return false
  return subnets === undefined || subnets.has(destinationAddress)
}

function compileRules(config: Config<VirtualServiceSpec>, context: CompileContext): readonly CompiledRule[] {
  const { tls = [], tcp = [] } = config.spec
  const ofTls = tls.map((rule, at) =>
    compile(
      `tls[${at}]`,
      rule.match.map(match => ({ ...match, sni: match.sniHosts.map(host => host.toLowerCase()) })),
      rule.route,
    ),
  )
  const ofTcp = tcp.map(({ match = [], route }, at) => compile(`tcp[${at}]`, match.length === 0 ? [{}] : match, route))
  return [...ofTls, ...ofTcp].filter(({ matches, destinations }) => matches.length > 0 && destinations.length > 0)

  function compile(
    place: string,
    matches: readonly (L4MatchSpec & { readonly sni?: readonly string[] })[],
    route: TcpRouteSpec['route'],
  ): CompiledRule {
    return {
      matches: matches
        .filter(match => isForClient(match, context))
        .map(({ sni, destinationSubnets = [] }) => ({
          sniHosts: sni,
          subnets: destinationSubnets.length === 0 ? undefined : createRanges(destinationSubnets.map(asRange)),
        })),
      destinations: (route ?? []).map(({ destination, weight }) => ({
        destination: context.destination(destination, config.namespace, weight ?? 0),
        rule: `VirtualService ${config.namespace}/${config.name} ${place}`,
      })),
    }
  }
}

/** A single address is a range of itself. */
function asRange(subnet: string): string {
  if (subnet.includes('/')) return subnet
  return `${subnet}/${isIPv6(subnet) ? 128 : 32}`
}
