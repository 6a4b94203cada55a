import fc from 'fast-check'
import t from 'tap'
import { parseLocality } from '../../../../mesh/model/locality.ts'
import { localitySettings } from '../../../../mesh/routing/balancer-settings.ts'
import type { LocalitySettings } from '../../../../mesh/routing/cluster.ts'
import { type EndpointGroup, groupEndpoints, type LocalEndpoint } from '../../../../mesh/routing/locality.ts'
import { differences } from '../../../support/differences.ts'
import { type LocalityCase, loadBalancerOf, localityCases } from '../../../support/istio-recordings.ts'

interface Endpoint extends LocalEndpoint {
  readonly address: string
}

type Group = LocalityCase['result'][number]

function answer({ client, endpoints, outlierDetection, ...said }: LocalityCase): readonly Group[] {
  const settings = localitySettings(loadBalancerOf(said), undefined)
  const locals = endpoints.map((endpoint): Endpoint => ({ ...endpoint, locality: parseLocality(endpoint.locality) }))
  const caller = { locality: parseLocality(client.locality), labels: client.labels }
  return groupEndpoints(locals, caller, settings, outlierDetection).map(({ locality, ...group }) => ({
    ...group,
    locality: text(locality),
    endpoints: group.endpoints.map(({ address }) => address),
  }))
}

function text({ region, zone, subzone }: LocalEndpoint['locality']): string {
  return [region, zone, subzone].filter(part => part !== '').join('/')
}

/** In one order, without the groups that a recording shows as emptied. */
function canonical(groups: readonly Group[]): string {
  const lines = groups
    .filter(({ endpoints }) => endpoints.length > 0)
    .map(group => `${group.locality} ${group.priority} ${group.weight} ${group.endpoints.toSorted()}`)
  return lines.toSorted().join('\n')
}

t.test('endpoints are grouped, weighed and ranked as recorded of Istio', async t => {
  const cases = localityCases()
  const wrong = cases.filter(entry => canonical(answer(entry)) !== canonical(entry.result))
  t.comment(`locality: ${cases.length - wrong.length} of ${cases.length} agree`)
  t.same([cases.length, cases.filter(entry => entry.zoneAwareLbSetting !== undefined).length], [262, 35])
  t.same(wrong.map(({ id }) => id).toSorted(), differences('Locality', 'loc'))
})

const endpoint = fc.record({
  locality: fc.constantFrom('', 'eu', 'eu/a', 'eu/a/1', 'us/a/1').map(parseLocality),
  labels: fc.dictionary(fc.constantFrom('tier', 'version'), fc.constantFrom('a', 'b')),
  weight: fc.integer({ min: 1, max: 5 }),
})
const settings: fc.Arbitrary<LocalitySettings> = fc.record({
  enabled: fc.boolean(),
  distribute: fc.constant([]),
  failover: fc.constantFrom([], [{ from: 'eu', to: 'us' }]),
  failoverPriority: fc.constantFrom([], ['tier'], ['version', 'tier=a']),
  zoneAware: fc.constantFrom(undefined, { minClusterSize: 6 }),
})

t.test('without shares every endpoint is in one group, and priorities have no gaps', async () => {
  fc.assert(
    fc.property(fc.array(endpoint), endpoint, settings, fc.boolean(), (endpoints, client, setting, failsOver) => {
      const groups: readonly EndpointGroup<LocalEndpoint>[] = groupEndpoints(endpoints, client, setting, failsOver)
      const listed = groups.flatMap(group => group.endpoints)
      const priorities = new Set(groups.map(({ priority }) => priority))
      const gapless = [...priorities].every(priority => priority < priorities.size)
      return listed.length === endpoints.length && endpoints.every(each => listed.includes(each)) && gapless
    }),
  )
})
