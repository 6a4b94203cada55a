import type { Resource } from '../resources/resource.ts'
import type { VirtualService } from '../resources/virtual-service.ts'
import { fullHost, hostsOverlap, isSubsetOf } from '../routing/hosts.ts'
import { didYouMean } from '../std/did-you-mean.ts'
import { destinationsOf, type NamedDestination } from './destinations.ts'
import {
  type AnalyzedWorld,
  destinationRulesOf,
  type Finding,
  type KnownService,
  virtualServicesOf,
} from './finding.ts'

/** Finds names of hosts, ports, subsets and gateways that nothing answers to. */
export function referenceFindings(world: AnalyzedWorld): Finding[] {
  const known = createKnown(world)
  return [
    ...virtualServicesOf(world.resources).flatMap(resource => [
      ...gateways(resource),
      ...destinationsOf(resource).flatMap(named => destination(resource, named, world, known)),
    ]),
    ...destinationRulesOf(world.resources).flatMap((resource): Finding[] => {
      const host = fullHost(resource.spec.host.toLowerCase(), resource.metadata.namespace, world.domain)
      if (known.isKnown(host)) return []
      const message = `${resource.spec.host} is no service that is known`
      return [warn('unknown-host', resource, ['spec', 'host'], message, known.similar(resource.spec.host))]
    }),
  ]
}

/** Most names for which a similar one is looked for: each is compared with all that there are. */
const maxGuesses = 20

interface Known {
  /** True too where nobody knows what there is. */
  isKnown(host: string): boolean
  /** The one service of that name; undefined where there is none or no single one. */
  service(host: string): KnownService | undefined
  similar(host: string): string | undefined
  /** Names of the subsets that rules declare for a host; undefined where no rule that is known is for it. */
  subsets(host: string): readonly string[] | undefined
}

function createKnown({ resources, services, domain }: AnalyzedWorld): Known {
  const declared = resources.filter(resource => resource.kind === 'ServiceEntry').map(entry => serviceOf(entry, domain))
  const all = [...(services ?? []), ...declared]
  const byHost = new Map(all.flatMap(service => service.hosts.map(host => [host, service] as const)))
  const wild = [...byHost.keys()].filter(host => host.startsWith('*'))
  const subsets = subsetsByHost(resources, domain)
  const names = [...new Set([...byHost.keys()].flatMap(host => [host, host.split('.', 1)[0] ?? host]))]
  let guesses = 0
  const wildRules = [...subsets.keys()].filter(host => host.startsWith('*'))
  return {
    isKnown: host => {
      if (services === undefined || byHost.has(host) || wild.some(other => hostsOverlap(host, other))) return true
      return host.startsWith('*') && [...byHost.keys()].some(other => isSubsetOf(other, host))
    },
    service: host => byHost.get(host),
    similar: host => {
      guesses += 1
      return guesses > maxGuesses ? undefined : didYouMean(host, names)
    },
    subsets: host => {
      const mine = [host, ...wildRules.filter(rule => rule !== host && isSubsetOf(host, rule))]
      // a rule that is not among these resources may declare it
      if (services === undefined && !mine.some(rule => subsets.has(rule))) return undefined
      return mine.flatMap(rule => subsets.get(rule) ?? [])
    },
  }
}

function subsetsByHost(resources: readonly Resource[], domain: string): ReadonlyMap<string, readonly string[]> {
  const byHost = new Map<string, readonly string[]>()
  for (const { metadata, spec } of destinationRulesOf(resources)) {
    const host = fullHost(spec.host.toLowerCase(), metadata.namespace, domain)
    byHost.set(host, [...(byHost.get(host) ?? []), ...(spec.subsets ?? []).map(({ name }) => name)])
  }
  return byHost
}

function serviceOf({ metadata, spec }: Extract<Resource, { kind: 'ServiceEntry' }>, domain: string): KnownService {
  const own = [metadata.name, metadata.namespace, domain].join('.')
  const hosts = spec.hosts.map(host => host.toLowerCase().replace(/\.$/, ''))
  const { namespace } = metadata
  return {
    namespace,
    hosts: [own, ...hosts.map(host => fullHost(host, namespace, domain))],
    ports: (spec.ports ?? []).map(({ number }) => number),
  }
}

function destination(
  resource: VirtualService,
  { destination, path }: NamedDestination,
  { domain }: AnalyzedWorld,
  known: Known,
): Finding[] {
  const host = fullHost(destination.host.toLowerCase().replace(/\.$/, ''), resource.metadata.namespace, domain)
  if (!known.isKnown(host)) {
    const message = `${destination.host} is no service that is known`
    return [warn('unknown-host', resource, [...path, 'host'], message, known.similar(destination.host))]
  }
  const findings: Finding[] = []
  const port = destination.port?.number
  const ports = known.service(host)?.ports
  if (port !== undefined && ports !== undefined && ports.length > 0 && !ports.includes(port)) {
    const message = `${port} is no port of ${destination.host}, which has ${ports.join(', ')}`
    findings.push(warn('unknown-port', resource, [...path, 'port', 'number'], message))
  }
  const { subset = '' } = destination
  const subsets = subset === '' ? undefined : known.subsets(host)
  if (subsets !== undefined && !subsets.includes(subset)) {
    const message = `${subset} is no subset that a DestinationRule declares for ${destination.host}: calls would fail`
    findings.push(warn('unknown-subset', resource, [...path, 'subset'], message, didYouMean(subset, subsets)))
  }
  return findings
}

function gateways(resource: VirtualService): Finding[] {
  const { spec } = resource
  const said = (names: readonly string[] | undefined, path: readonly (string | number)[]): Finding[] =>
    (names ?? []).flatMap((name, index) => {
      if (name === 'mesh') return []
      const rest = names?.includes('mesh') ? '' : ', so that this is never used'
      const message = `${name} is no gateway: weft has only mesh${rest}`
      return [warn('unknown-gateway', resource, [...path, index], message)]
    })
  const matches = (['http', 'tls', 'tcp'] as const).flatMap(list =>
    (spec[list] ?? []).flatMap((rule, index) =>
      (rule.match ?? []).flatMap((match, at) => {
        return said(match.gateways, ['spec', list, index, 'match', at, 'gateways'])
      }),
    ),
  )
  return [...said(spec.gateways, ['spec', 'gateways']), ...matches]
}

function warn(
  code: Finding['code'],
  resource: Resource,
  path: readonly (string | number)[],
  message: string,
  suggestion?: string | undefined,
): Finding {
  return { severity: 'warning', code, resource, path, message, suggestion }
}
