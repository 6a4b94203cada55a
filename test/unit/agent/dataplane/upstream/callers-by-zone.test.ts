import t from 'tap'
import { buildTable } from '../../../../../agent/dataplane/table.ts'
import { callersByZone } from '../../../../../agent/dataplane/upstream/callers-by-zone.ts'
import { Clusters } from '../../../../../agent/dataplane/upstream/clusters.ts'
import { parseLocality } from '../../../../../mesh/model/locality.ts'
import { trafficConfigOf } from '../../../../../mesh/model/traffic-resource.ts'
import { systemRandom } from '../../../../../mesh/std/clock.ts'
import { FakeClock } from '../../../../fakes/clock.ts'
import { aConfig, anEndpoint, aService, aWorkload } from '../../../../support/agent-config.ts'
import { destinationRuleResource } from '../../../../support/traffic.ts'

const web = 'spiffe://mesh.local/ns/default/sa/web'
const clusters = () => new Clusters({ clock: new FakeClock(), random: systemRandom })

t.test('callers are counted by the endpoints of the service that the caller is one of', t => {
  const place = (zone: string) => parseLocality(`eu/${zone}`)
  const endpoints = Array.from({ length: 6 }, (_, index) =>
    anEndpoint({ id: `api-${index}`, address: `10.0.0.${index}`, locality: place(index < 2 ? 'a' : 'b') }),
  )
  const callers = ['a', 'a', 'b'].map((zone, index) =>
    anEndpoint({ id: `web-${index}`, address: `10.0.1.${index}`, locality: place(zone) }),
  )
  const own = aService({ name: 'web', hosts: ['web.default.mesh'], virtualIps: ['240.240.0.2'], endpoints: callers })
  const rule = { host: 'api', trafficPolicy: { loadBalancer: { zoneAwareLbSetting: {} } } }
  const traffic = trafficConfigOf('weft-system', [{ ...destinationRuleResource('api', rule), namespace: 'default' }])
  const config = aConfig({ workloads: [aWorkload()], services: [aService({ endpoints }), own], traffic })
  const { table } = buildTable({ ...config, host: { ...config.host, locality: place('a') } })
  const destination = table.services.get('240.240.0.1:80')
  const active = destination && clusters().of(table, table.caller(web), destination.route)
  const near = ['10.0.0.0:8080', '10.0.0.1:8080']
  const picks = Array.from({ length: 2000 }, () => near.includes(active?.cluster.pick()?.key ?? ''))
  const kept = picks.filter(Boolean).length / picks.length
  t.ok(Math.abs(kept - 0.5) < 0.1, `a third of the endpoints for two thirds of the callers: ${kept}`)
  t.end()
})

t.test('nothing is known of callers whose own service this host does not see', t => {
  const { table } = buildTable(aConfig({ workloads: [aWorkload()], services: [aService()] }))
  t.equal(callersByZone(table, table.caller(web)), undefined)
  t.equal(callersByZone(table, table.caller(undefined)), undefined)
  t.end()
})
