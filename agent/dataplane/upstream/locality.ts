import type { Locality } from '../../../mesh/model/locality.ts'
import type { LocalitySettings } from '../../../mesh/routing/cluster.ts'
import type { ClusterEndpoint } from './endpoint.ts'

/** Who calls a cluster, as far as that decides which endpoints are near. */
export interface ClusterClient {
  readonly locality: Locality
  readonly labels: Readonly<Record<string, string>>
}

/** Endpoints of one locality: used once those of lower priority numbers cannot carry the traffic. */
export interface EndpointGroup<E> {
  readonly priority: number
  /** Share of the priority's traffic, in proportion to the other groups. */
  readonly weight: number
  readonly endpoints: readonly E[]
}

/** The endpoints by nearness to the client: same subzone, same zone, same region, anywhere. */
export function localityGroups<E extends ClusterEndpoint>(
  endpoints: readonly E[],
  settings: LocalitySettings,
  client: ClusterClient,
): readonly EndpointGroup<E>[] {
  const ranks = new Map<number, E[]>()
  for (const endpoint of endpoints) {
    const rank = settings.enabled ? distance(client.locality, endpoint.locality) : 0
    const group = ranks.get(rank)
    if (group === undefined) ranks.set(rank, [endpoint])
    else group.push(endpoint)
  }
  return [...ranks]
    .sort(([one], [other]) => one - other)
    .map(([, group], priority) => ({
      priority,
      weight: group.reduce((sum, endpoint) => sum + endpoint.weight, 0),
      endpoints: group,
    }))
}

function distance(from: Locality, to: Locality): number {
  if (from.region !== to.region) return 3
  if (from.zone !== to.zone) return 2
  return from.subzone === to.subzone ? 0 : 1
}
