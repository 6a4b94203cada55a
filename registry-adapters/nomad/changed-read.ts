import type { NomadNode } from './answers.ts'
import { mapBounded } from './bounded.ts'
import type { Cluster, ClusterContent, KnownAllocation, ServiceContent } from './cluster.ts'
import type { ReadDeps } from './complete-read.ts'
import type { Changes } from './inbox.ts'

/** What has to be read again. */
export interface Wanted {
  readonly services: Changes['services']
  /** Allocations whose job may be another. */
  readonly allocations: Set<string>
}

/**
 * Puts what events say of allocations and nodes into the cluster, where it is newer than what is known: they are told
 * whole. What they cannot say is added to `wanted`, unless all services have been read since: `readAt` is the index
 * then. A new stream begins with events of before.
 */
export function applyChanges(changes: Changes, cluster: Cluster, wanted: Wanted, readAt: number): void {
  for (const [key, service] of changes.services) if (service.index > readAt) wanted.services.set(key, service)
  const allocations = new Map<string, KnownAllocation>()
  for (const [id, { allocation, scheduledIndex }] of changes.allocations) {
    const known = cluster.allocations.get(id)
    // One that is not known is read together with its registrations.
    if (known === undefined || allocation.modifyIndex <= known.allocation.modifyIndex) continue
    if (scheduledIndex > known.allocation.modifyIndex) wanted.allocations.add(id)
    allocations.set(id, { ...known, allocation })
  }
  const nodes = [...changes.nodes].filter(([id, node]) => isNews(node, cluster.nodes.get(id)))
  cluster.merge({ services: new Map(), allocations, nodes: new Map(nodes) })
}

/** Each update of an allocation sends its node as well, unchanged. */
function isNews(node: NomadNode, known: NomadNode | undefined): boolean {
  return known === undefined || known.meta === undefined || node.modifyIndex > known.modifyIndex
}

/** Reads what is wanted, and what that needs besides; throws WEFT_REGISTRY_UNAVAILABLE. */
export async function readWanted(
  wanted: Wanted,
  cluster: Cluster,
  { reads, settings }: ReadDeps,
  signal: AbortSignal,
): Promise<ClusterContent> {
  const { readQueries } = settings
  const services = await mapBounded(
    wanted.services,
    readQueries,
    async ([key, { name, index }], signal): Promise<readonly [string, ServiceContent]> => {
      return [key, { ...name, registrations: await reads.service(name, index, signal) }]
    },
    signal,
  )
  const registrations = services.flatMap(([, service]) => service.registrations)
  const allocationIds = new Set(wanted.allocations)
  for (const { allocId } of registrations) if (!cluster.allocations.has(allocId)) allocationIds.add(allocId)
  const allocations = await mapBounded(allocationIds, readQueries, (id, signal) => reads.allocation(id, signal), signal)
  const nodeIds = new Set(registrations.map(({ nodeId }) => nodeId))
  const unread = [...nodeIds].filter(id => cluster.nodes.get(id)?.meta === undefined)
  const nodes = await mapBounded(unread, readQueries, (id, signal) => reads.node(id, signal), signal)
  return {
    services: new Map(services),
    allocations: new Map(allocations.flatMap(one => (one === undefined ? [] : [[one.allocation.id, one]]))),
    nodes: new Map(nodes.flatMap(node => (node === undefined ? [] : [[node.id, node]]))),
  }
}
