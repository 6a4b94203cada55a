import t from 'tap'
import { parseLocality } from '../../../../../mesh/model/locality.ts'
import { localitySettings } from '../../../../../mesh/routing/balancer-settings.ts'
import { aCluster, clusterEndpoint, countPicks, outlierSettings } from '../../../../support/cluster.ts'
import { type LocalityCase, loadBalancerOf, localityCases } from '../../../../support/istio-recordings.ts'

const picks = 4000
/** Five standard deviations of a share of a half, at so many draws. */
const tolerance = (5 * 0.5) / Math.sqrt(picks)

/** Endpoints that are out of use: every `period`-th; none for 0. */
const isOut = (address: string, recorded: LocalityCase, period: number) => {
  const at = recorded.endpoints.findIndex(endpoint => endpoint.address === address)
  return period > 0 && at % period === 0
}

/**
 * The share of traffic of each endpoint when Envoy is given the recorded groups: by priority, by locality where a rule
 * distributes, by weight, always 1.4 times over-provisioned.
 */
function expected(recorded: LocalityCase, period: number): Map<string, number> {
  const distributes = (recorded.localityLbSetting?.distribute ?? []).length > 0
  const weights = new Map(recorded.endpoints.map(({ address, weight }) => [address, weight]))
  const live = (addresses: readonly string[]) => addresses.filter(address => !isOut(address, recorded, period))
  const carries = (addresses: readonly string[]) =>
    addresses.length === 0 ? 0 : Math.min(1, (1.4 * live(addresses).length) / addresses.length)
  const levels = [...Map.groupBy(recorded.result, group => group.priority)]
    .toSorted(([one], [other]) => one - other)
    .map(([, groups]) => ({ groups, capacity: carries(groups.flatMap(group => group.endpoints)) }))
  const whole = Math.min(
    1,
    levels.reduce((sum, level) => sum + level.capacity, 0),
  )
  const shares = new Map<string, number>()
  let left = whole === 0 ? 0 : 1
  for (const { groups, capacity } of levels) {
    const load = Math.min(left, capacity / whole)
    left -= load
    const places = distributes
      ? groups.map(group => ({ weight: group.weight * carries(group.endpoints), endpoints: group.endpoints }))
      : [{ weight: 1, endpoints: groups.flatMap(group => group.endpoints) }]
    const total = places.reduce((sum, place) => sum + place.weight, 0)
    for (const { weight, endpoints } of places) {
      const usable = live(endpoints)
      const all = usable.reduce((sum, address) => sum + (weights.get(address) ?? 0), 0)
      for (const address of usable) {
        shares.set(address, (load * (weight / total) * (weights.get(address) ?? 0)) / all)
      }
    }
  }
  return shares
}

for (const period of [0, 2, 3]) {
  const health = period === 0 ? 'all endpoints healthy' : `one endpoint of ${period} unhealthy`
  t.test(`endpoints get the shares that Envoy would give the recorded groups, ${health}`, async t => {
    // Without outlier detection Istio has no priorities, unless zones count.
    const cases = localityCases().filter(one => one.zoneAwareLbSetting !== undefined || one.outlierDetection)
    t.equal(cases.length, 193)
    for (const recorded of cases) {
      const locality = localitySettings(loadBalancerOf(recorded), undefined)
      const endpoints = recorded.endpoints.map(({ address, ...endpoint }) =>
        clusterEndpoint(address, { ...endpoint, health: isOut(address, recorded, period) ? 'unhealthy' : 'healthy' }),
      )
      const client = { ...recorded.client, locality: parseLocality(recorded.client.locality) }
      const balancer = { kind: 'round-robin', warmup: undefined } as const
      const outlier = recorded.outlierDetection ? outlierSettings() : undefined
      const { cluster } = aCluster({ locality, balancer, outlier }, endpoints, { client })
      const counts = countPicks(() => cluster.pick(), picks)
      const shares = expected(recorded, period)
      for (const { key } of endpoints) {
        const [got, wanted] = [(counts.get(key) ?? 0) / picks, shares.get(key) ?? 0]
        if (Math.abs(got - wanted) > tolerance) t.fail(`${recorded.id} ${key}: ${got} for ${wanted}`)
      }
    }
  })
}
