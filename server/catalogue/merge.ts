import type { RegistryProblem } from '../../mesh/model/catalogue.ts'
import type { DnsEndpoint, Endpoint, Service } from '../../mesh/model/service.ts'
import type { Workload } from '../../mesh/model/workload.ts'
import { assertNever } from '../../mesh/std/assert-never.ts'
import { differenceOf } from './difference.ts'
import type { MergeVerdict } from './merge-rules.ts'
import { shareOut } from './shares.ts'

/** What one registry says of a service. */
export interface Claim {
  readonly registry: string
  readonly service: Service
}

export interface MergedService extends Service {
  /** Names of the registries that speak of it. */
  readonly registries: readonly string[]
}

/** One service out of all that is said of it, and what of that is not in use. */
export interface Merged {
  readonly service: MergedService
  readonly problems: readonly RegistryProblem[]
}

/**
 * Makes one service of the claims on its key, which are given in the order of the configuration. Two registries that
 * speak of the same service follow the rule.
 */
export function mergeService(
  key: string,
  claims: readonly [Claim, ...(readonly Claim[])],
  { rule, from }: MergeVerdict,
  workloadOf: (id: string) => Workload | undefined,
): Merged {
  const [first, ...others] = claims
  const registries = claims.map(claim => claim.registry)
  if (others.length === 0) return { service: { ...first.service, registries }, problems: [] }
  switch (rule.kind) {
    case 'prefer': {
      const preferred = claims.find(claim => claim.registry === rule.registry) ?? first
      return { service: { ...preferred.service, registries }, problems: [] }
    }
    case 'error': {
      const problems = others.map(({ registry }) => ignored(key, registry, first.registry, 'no rule merges them'))
      return { service: { ...first.service, registries }, problems }
    }
    case 'union': {
      const problems: RegistryProblem[] = []
      const agreeing = others.filter(({ registry, service }) => {
        const difference = differenceOf(first.service, service)
        if (difference !== undefined) problems.push(ignored(key, registry, first.registry, difference))
        return difference === undefined
      })
      const united = [first, ...agreeing]
      if (rule.weights !== undefined) {
        for (const { registry } of united) {
          if (!rule.weights.has(registry)) problems.push(weightless(key, registry, from))
        }
      }
      return { service: { ...unite(united, rule.weights, workloadOf), registries }, problems }
    }
    default:
      return assertNever(rule)
  }
}

function ignored(key: string, registry: string, used: string, why: string): RegistryProblem {
  return { item: `${registry}: service ${key}`, reason: `it is also in registry ${used}, whose word counts: ${why}` }
}

function weightless(key: string, registry: string, from: string): RegistryProblem {
  return { item: `${registry}: service ${key}`, reason: `its endpoints get no traffic: ${from} has no weight for it` }
}

function unite(
  claims: readonly Claim[],
  weights: ReadonlyMap<string, number> | undefined,
  workloadOf: (id: string) => Workload | undefined,
): Service {
  const services = claims.map(claim => claim.service)
  const [first] = services
  if (first === undefined) throw new TypeError('nothing to unite')
  const endpoints =
    weights === undefined ? services.flatMap(one => one.endpoints) : shareOut(claims, weights, workloadOf)
  const exported = services.every(one => one.exportTo !== undefined)
  const dnsEndpoints = services.flatMap(service => service.dnsEndpoints ?? [])
  return {
    ...first,
    hosts: [...new Set(services.flatMap(service => service.hosts))],
    addresses: [...new Set(services.flatMap(service => service.addresses))],
    endpoints: eachOnce(endpoints, workloadOf),
    ...(dnsEndpoints.length === 0 ? {} : { dnsEndpoints: eachNameOnce(dnsEndpoints) }),
    ...(exported ? { exportTo: [...new Set(services.flatMap(service => service.exportTo ?? []))] } : {}),
  }
}

/**
 * An instance that several registries know has the same address and ports in all of them and is one endpoint: the one
 * that can prove who it is, or else the first. It has the shares of all of them.
 */
function eachOnce(
  endpoints: readonly Endpoint[],
  workloadOf: (id: string) => Workload | undefined,
): readonly Endpoint[] {
  const places = Map.groupBy(endpoints, endpoint => placeOf(endpoint, workloadOf))
  if (places.size === endpoints.length) return endpoints
  return [...places.values()].flatMap(same => {
    const known = same.find(({ workload }) => {
      const { node, serviceAccount } = workloadOf(workload) ?? {}
      return node !== undefined && serviceAccount !== undefined
    })
    const endpoint = known ?? same[0]
    if (endpoint === undefined) return []
    const shares = same.flatMap(({ weight }) => weight ?? [])
    return shares.length < 2 ? [endpoint] : [{ ...endpoint, weight: shares.reduce((sum, share) => sum + share, 0) }]
  })
}

/** A name with the same ports in several registries is asked for once. */
function eachNameOnce(endpoints: readonly DnsEndpoint[]): readonly DnsEndpoint[] {
  const keyOf = ({ name, ports }: DnsEndpoint) => [name, ...Object.entries(ports).flat().sort()].join(' ')
  return [...new Map(endpoints.toReversed().map(endpoint => [keyOf(endpoint), endpoint])).values()].reverse()
}

function placeOf({ workload, ports }: Endpoint, workloadOf: (id: string) => Workload | undefined): string {
  const numbers = Object.entries(ports)
    .map(([name, port]) => `${name}=${port}`)
    .sort()
  return [workloadOf(workload)?.address ?? workload, ...numbers].join(' ')
}
