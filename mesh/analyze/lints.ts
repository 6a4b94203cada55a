import type { DestinationRule } from '../resources/destination-rule.ts'
import type { Resource } from '../resources/resource.ts'
import type { VirtualService } from '../resources/virtual-service.ts'
import { type AnalyzedWorld, destinationRulesOf, type Finding, virtualServicesOf } from './finding.ts'

type Path = readonly (string | number)[]

/** Finds what is allowed and hardly meant: weights that are no percents, prefixes inside of a segment, what does nothing. */
export function lintFindings({ resources }: AnalyzedWorld): Finding[] {
  return [
    ...virtualServicesOf(resources).flatMap(resource => [
      ...weights(resource),
      ...matches(resource),
      ...faults(resource),
    ]),
    ...destinationRulesOf(resources).flatMap(oldNames),
  ]
}

function weights(resource: VirtualService): Finding[] {
  const { spec } = resource
  return (['http', 'tls', 'tcp'] as const).flatMap(list =>
    (spec[list] ?? []).flatMap(({ route = [] }, index): Finding[] => {
      const sum = route.reduce((total, { weight = 0 }) => total + weight, 0)
      if (route.length < 2 || sum === 100) return []
      const message = `has weights that add up to ${sum}, not 100: shares are of ${sum}`
      return [warn('weights', resource, ['spec', list, index, 'route'], message)]
    }),
  )
}

function matches(resource: VirtualService): Finding[] {
  const http = (resource.spec.http ?? []).flatMap(({ match = [] }, index) =>
    match.flatMap(({ uri, statPrefix }, at): Finding[] => {
      const path = ['spec', 'http', index, 'match', at]
      const prefix = uri?.prefix ?? ''
      return [
        ...(prefix === '' || prefix.endsWith('/') ? [] : [rawPrefix(resource, [...path, 'uri', 'prefix'], prefix)]),
        ...(statPrefix === undefined ? [] : [noEffect(resource, [...path, 'statPrefix'])]),
      ]
    }),
  )
  const tcp = (resource.spec.tcp ?? []).flatMap(({ match = [] }, index) =>
    match.flatMap(({ sourceSubnet }, at) => {
      return sourceSubnet === undefined ? [] : [noEffect(resource, ['spec', 'tcp', index, 'match', at, 'sourceSubnet'])]
    }),
  )
  return [...http, ...tcp]
}

function rawPrefix(resource: VirtualService, path: Path, prefix: string): Finding {
  const message = `takes ${prefix}x too, as prefixes are compared as text; pathPrefix takes whole segments`
  return warn('raw-prefix', resource, path, message)
}

function faults(resource: VirtualService): Finding[] {
  return (resource.spec.http ?? []).flatMap(({ fault }, index) =>
    (['delay', 'abort'] as const).flatMap((kind): Finding[] => {
      const given = fault?.[kind]
      if (given === undefined || (given.percentage?.value ?? 0) > 0) return []
      const message = 'never happens: without a percentage it is 0'
      return [warn('fault-never', resource, ['spec', 'http', index, 'fault', kind], message)]
    }),
  )
}

function oldNames(resource: DestinationRule): Finding[] {
  const { trafficPolicy, subsets = [] } = resource.spec
  const places: readonly (readonly [Path, typeof trafficPolicy])[] = [
    [['spec', 'trafficPolicy'], trafficPolicy],
    ...subsets.map((subset, at) => [['spec', 'subsets', at, 'trafficPolicy'], subset.trafficPolicy] as const),
  ]
  return places.flatMap(([path, policy]) => {
    const ports = (policy?.portLevelSettings ?? []).map(
      (port, at) => [[...path, 'portLevelSettings', at], port] as const,
    )
    return [[path, policy] as const, ...ports].flatMap(([at, part]) => {
      if (part?.outlierDetection?.consecutiveErrors === undefined) return []
      return [noEffect(resource, [...at, 'outlierDetection', 'consecutiveErrors'])]
    })
  })
}

function noEffect(resource: Resource, path: Path): Finding {
  return { ...warn('no-effect', resource, path, 'has no effect'), at: 'key' }
}

function warn(code: Finding['code'], resource: Resource, path: Path, message: string): Finding {
  return { severity: 'warning', code, resource, path, message }
}
