import type { Endpoint } from '../../mesh/model/service.ts'
import type { Workload } from '../../mesh/model/workload.ts'
import type { Claim } from './merge.ts'

/** Weights of endpoints are shares of this, so that whole numbers are fine enough for thousands of endpoints. */
const whole = 1_000_000

/**
 * Gives each registry's endpoints together the registry's share of a service's traffic, divided among them by their own
 * weights. The healthy ones of a registry have its whole share between them; a registry of which none is healthy leaves
 * its share to the others, because those that are not healthy get nothing anyway.
 */
export function shareOut(
  claims: readonly Claim[],
  weights: ReadonlyMap<string, number>,
  workloadOf: (id: string) => Workload | undefined,
): readonly Endpoint[] {
  const total = claims.reduce((sum, { registry }) => sum + (weights.get(registry) ?? 0), 0)
  return claims.flatMap(({ registry, service }) => {
    const share = total === 0 ? 0 : ((weights.get(registry) ?? 0) / total) * whole
    const own = ({ workload, weight }: Endpoint) => weight ?? workloadOf(workload)?.weight ?? 0
    const healthy = service.endpoints.filter(({ workload }) => workloadOf(workload)?.health === 'healthy')
    const sum = (healthy.length === 0 ? service.endpoints : healthy).reduce((all, one) => all + own(one), 0)
    return service.endpoints.map(endpoint => {
      return { ...endpoint, weight: sum === 0 ? 0 : Math.round((share * own(endpoint)) / sum) }
    })
  })
}
