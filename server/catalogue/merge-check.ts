import type { RegistryProblem } from '../../mesh/model/catalogue.ts'
import { byAge } from '../../mesh/policy/peer-authentication.ts'
import type { ResourceFinding } from '../../mesh/resources/parse.ts'
import { describeResource, type Resource } from '../../mesh/resources/resource.ts'
import type { ServiceMerge } from '../../mesh/resources/service-merge.ts'
import { didYouMean } from '../../mesh/std/did-you-mean.ts'
import { placedSelectors } from './merge-selectors.ts'

/** What decides whether a ServiceMerge can be meant. */
export interface MergeScope {
  /** Names of all registries of this server. */
  readonly registries: readonly string[]
  readonly rootNamespace: string
}

/** What is wrong with a resource on this server: registries that it does not have, services it may not speak of. */
export function mergeFindings(resource: Resource, scope: MergeScope): readonly ResourceFinding[] {
  if (resource.kind !== 'ServiceMerge') return []
  const foreign = placedSelectors(resource, scope.rootNamespace)
    .filter(({ selector }) => selector === undefined)
    .map(({ path }) => {
      const message = `is of another namespace, which only resources of the namespace ${scope.rootNamespace} may name`
      return { path, message }
    })
  const unknown = namedRegistries(resource).filter(({ name }) => !scope.registries.includes(name))
  return [
    ...foreign,
    ...unknown.map(({ name, path, at }) => ({
      path,
      at,
      message: `${name} is no registry of this server, which has ${scope.registries.join(', ')}`,
      suggestion: didYouMean(name, scope.registries),
    })),
  ]
}

/**
 * The same for what was written long ago: a server may have lost a registry since. Each is named as
 * `ServiceMerge <namespace>/<name>`.
 */
export function mergeProblems(resources: readonly Resource[], scope: MergeScope): readonly RegistryProblem[] {
  return resources.flatMap(resource => {
    return mergeFindings(resource, scope).map(({ message, path }) => {
      return { item: describeResource(resource), reason: `${path.join('.')}: ${message}` }
    })
  })
}

/** Two resources for exactly the same services: only the older one would hold. */
export interface MergeConflict {
  /** As {@link describeResource} says them, the newer one first. */
  readonly resources: readonly [string, string]
  /** Lower case, no full stop, names both. */
  readonly message: string
}

/** Finds resources of which an older one for exactly the same services would silently win. */
export function findMergeConflicts(resources: readonly Resource[], rootNamespace: string): readonly MergeConflict[] {
  const holders = new Map<string, ServiceMerge>()
  const conflicts: MergeConflict[] = []
  for (const merge of resources.filter(one => one.kind === 'ServiceMerge').toSorted(byAge)) {
    for (const { selector } of placedSelectors(merge, rootNamespace)) {
      if (selector === undefined) continue
      const holder = holders.get(selector.words)
      if (holder === undefined) holders.set(selector.words, merge)
      else if (holder !== merge) conflicts.push(conflict(merge, holder, selector.words))
    }
  }
  return conflicts
}

function conflict(newer: ServiceMerge, older: ServiceMerge, words: string): MergeConflict {
  const resources = [describeResource(newer), describeResource(older)] as const
  return { resources, message: `${resources[0]} and ${resources[1]} are both for ${words}, only one may be` }
}

interface NamedRegistry {
  readonly name: string
  readonly path: readonly (string | number)[]
  readonly at: 'key' | 'value'
}

function namedRegistries({ spec }: ServiceMerge): readonly NamedRegistry[] {
  const weights = Object.keys(spec.weights ?? {}).map(name => {
    return { name, path: ['spec', 'weights', name], at: 'key' } as const
  })
  if (spec.prefer === undefined) return weights
  return [...weights, { name: spec.prefer, path: ['spec', 'prefer'], at: 'value' }]
}
