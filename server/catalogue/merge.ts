import type { RegistryProblem, RegistrySnapshot } from '../../mesh/model/catalogue.ts'
import { type Service, serviceKey } from '../../mesh/model/service.ts'
import type { Workload } from '../../mesh/model/workload.ts'
import { assertNever } from '../../mesh/std/assert-never.ts'
import type { MergeRules } from './merge-rules.ts'

/** What one registry says, in the order of the configuration. */
export interface RegistryInput {
  readonly name: string
  readonly snapshot: RegistrySnapshot
}

export interface MergedService extends Service {
  /** Names of the registries that speak of it. */
  readonly registries: readonly string[]
}

/** All registries as one, ordered by key. */
export interface Merged {
  readonly services: ReadonlyMap<string, MergedService>
  readonly workloads: ReadonlyMap<string, Workload>
  readonly problems: readonly RegistryProblem[]
}

interface Claim {
  readonly registry: string
  readonly service: Service
}

/**
 * Makes one catalogue out of several registries. The same service in two of them follows the rule; workload ids cannot
 * collide, because each begins with its registry's name.
 */
export function mergeRegistries(inputs: readonly RegistryInput[], rules: MergeRules): Merged {
  const claims = new Map<string, Claim[]>()
  const workloads: Workload[] = []
  const problems: RegistryProblem[] = []
  for (const { name, snapshot } of inputs) {
    workloads.push(...snapshot.workloads)
    for (const { item, reason } of snapshot.problems) problems.push({ item: `${name}: ${item}`, reason })
    for (const service of snapshot.services) {
      const key = serviceKey(service)
      const claim = { registry: name, service }
      const others = claims.get(key)
      if (others === undefined) claims.set(key, [claim])
      else others.push(claim)
    }
  }
  const services = [...claims].sort(byKey).map(([key, all]) => [key, mergeService(key, all, rules, problems)] as const)
  return {
    services: new Map(services),
    workloads: new Map(workloads.map(workload => [workload.id, workload] as const).sort(byKey)),
    problems,
  }
}

function mergeService(
  key: string,
  claims: readonly Claim[],
  rules: MergeRules,
  problems: RegistryProblem[],
): MergedService {
  const [first, ...others] = claims
  if (first === undefined) throw new TypeError(`no registry claims ${key}`)
  const registries = claims.map(claim => claim.registry)
  if (others.length === 0) return { ...first.service, registries }
  const rule = rules.services.get(key) ?? rules.default
  switch (rule.kind) {
    case 'prefer': {
      const preferred = claims.find(claim => claim.registry === rule.registry) ?? first
      return { ...preferred.service, registries }
    }
    case 'error':
      for (const { registry } of others) problems.push(ignored(key, registry, first.registry, 'no rule merges them'))
      return { ...first.service, registries }
    case 'union': {
      const agreeing = others.filter(({ registry, service }) => {
        const difference = differenceOf(first.service, service)
        if (difference !== undefined) problems.push(ignored(key, registry, first.registry, difference))
        return difference === undefined
      })
      return {
        ...united(
          [first, ...agreeing].map(claim => claim.service),
          first.service,
        ),
        registries,
      }
    }
    default:
      return assertNever(rule)
  }
}

function ignored(key: string, registry: string, used: string, why: string): RegistryProblem {
  return { item: `${registry}: service ${key}`, reason: `it is also in registry ${used}, whose word counts: ${why}` }
}

function differenceOf(a: Service, b: Service): string | undefined {
  if (a.location !== b.location) return `one is ${a.location}, the other ${b.location}`
  const ports = (service: Service) => {
    return service.ports
      .map(({ name, port, protocol }) => `${name}=${port}/${protocol}`)
      .sort()
      .join(' ')
  }
  return ports(a) === ports(b) ? undefined : `their ports differ (${ports(a)} and ${ports(b)})`
}

function united(services: readonly Service[], first: Service): Service {
  return {
    ...first,
    hosts: [...new Set(services.flatMap(service => service.hosts))],
    addresses: [...new Set(services.flatMap(service => service.addresses))],
    endpoints: services.flatMap(service => service.endpoints),
  }
}

/** By code units, not by locale: the same order on every machine. */
function byKey(a: readonly [string, unknown], b: readonly [string, unknown]): number {
  return a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0
}
