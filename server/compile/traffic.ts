import { isDeepStrictEqual } from 'node:util'
import { resourceName } from '../../mesh/model/agent-config.ts'
import type { TrafficResource } from '../../mesh/model/traffic-resource.ts'
import type { Resource } from '../../mesh/resources/resource.ts'
import { type Table, tableOf } from '../../mesh/std/table.ts'

/**
 * Compiles what operators say about traffic, the same for all agents. The function returned is called with all resources
 * whenever one has changed; the table is by resource name and keeps the objects of what is the same as before.
 */
export function createTrafficCompiler(): (resources: readonly Resource[]) => Table<TrafficResource> {
  let seen: readonly Resource[] | undefined
  let compiled: Table<TrafficResource> = tableOf()
  return resources => {
    if (resources === seen) return compiled
    const wanted = new Map(resources.flatMap(compileResource).map(one => [resourceName(one), one] as const))
    const gone = [...compiled.keys()].filter(name => !wanted.has(name))
    const changed = [...wanted].filter(([name, one]) => !isDeepStrictEqual(compiled.get(name), one))
    compiled = compiled.with([...gone.map(name => [name, undefined] as const), ...changed])
    seen = resources
    return compiled
  }
}

function compileResource(resource: Resource): readonly TrafficResource[] {
  const { namespace, name, creationTimestamp } = resource.metadata
  const createdAt = Date.parse(creationTimestamp ?? '') || 0
  const common = { kind: 'traffic', namespace, name, createdAt } as const
  switch (resource.kind) {
    case 'VirtualService':
      return [{ ...common, resource: resource.kind, spec: resource.spec }]
    case 'DestinationRule':
      return [{ ...common, resource: resource.kind, spec: resource.spec }]
    case 'Sidecar':
      return [{ ...common, resource: resource.kind, spec: resource.spec }]
    case 'MeshSettings':
      return [{ ...common, resource: resource.kind, spec: resource.spec }]
    default:
      return []
  }
}
