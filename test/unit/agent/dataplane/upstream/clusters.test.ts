import t from 'tap'
import { buildTable, type Table } from '../../../../../agent/dataplane/table.ts'
import { Clusters } from '../../../../../agent/dataplane/upstream/clusters.ts'
import { systemRandom } from '../../../../../mesh/std/clock.ts'
import { FakeClock } from '../../../../fakes/clock.ts'
import { aConfig, anEndpoint, aService, aWorkload } from '../../../../support/agent-config.ts'
import { routingWorld } from '../../../../support/routing-world.ts'

const web = 'spiffe://mesh.local/ns/default/sa/web'
const build = (values: Parameters<typeof aConfig>[0]) =>
  buildTable(aConfig({ workloads: [aWorkload()], ...values })).table
const clusters = () => new Clusters({ clock: new FakeClock(), random: systemRandom })

t.test('sends new connections neither to unhealthy and draining endpoints nor to those without weight', t => {
  const endpoints = [
    anEndpoint({ id: 'a', address: '10.0.0.1', health: 'unhealthy' }),
    anEndpoint({ id: 'b', address: '10.0.0.2', health: 'draining' }),
    anEndpoint({ id: 'c', address: '10.0.0.3', weight: 0 }),
    anEndpoint({ id: 'd', address: '10.0.0.4' }),
  ]
  const table = build({ services: [aService({ endpoints })] })
  const destination = table.services.get('240.240.0.1:80')
  const active = destination && clusters().of(table, table.caller(web), destination.route)
  const picked = Array.from({ length: 20 }, () => active?.cluster.pick()?.key)
  t.strictSame([...new Set(picked)], ['10.0.0.4:8080'])
  t.ok(table.endpoints.has('10.0.0.1:8080'), 'a caller that names it may still try it')
  t.end()
})

t.test('a new table keeps what is known of endpoints that stay', t => {
  const kept = clusters()
  const first = build({ services: [aService()] })
  const route = first.services.get('240.240.0.1:80')?.route
  if (route === undefined) throw new Error('no service')
  const before = kept.of(first, first.caller(web), route)
  before?.cluster.pick()?.state.begin()
  const second = build({
    services: [aService({ endpoints: [anEndpoint(), anEndpoint({ id: 'b', address: '10.0.0.9' })] })],
  })
  const after = kept.of(second, second.caller(web), route)
  t.equal(after?.cluster, before?.cluster)
  t.equal(after?.cluster.size, 2)
  t.equal(after?.cluster.pick()?.key, '10.0.0.9:8080', 'the other one is busy')
  const gone = build({})
  kept.prune(gone)
  t.equal(kept.of(gone, gone.caller(web), route), undefined)
  t.end()
})

t.test('a destination is of the callers whose rules it follows', t => {
  const kept = clusters()
  const table = build({ services: [aService()] })
  const route = table.services.get('240.240.0.1:80')?.route
  if (route === undefined) throw new Error('no service')
  const one = kept.of(table, table.caller(web), route)
  t.equal(kept.of(table, table.caller(web), route), one)
  t.not(kept.of(table, table.caller('spiffe://mesh.local/ns/shop/sa/cart'), route)?.cluster, one?.cluster)
  t.end()
})

t.test('a destination without endpoints of its own goes to where the caller was going', t => {
  const outside = aService({
    name: 'outside',
    hosts: ['outside.example'],
    virtualIps: [],
    addresses: ['10.0.0.0/8'],
    external: true,
    resolution: 'none',
    endpoints: [],
  })
  const table = build({ services: [aService(), outside] })
  const known = clusters()
  const active = (host: string, at: Table = table) => {
    const route = at.destination(host, 80)?.route
    return route && known.of(at, at.caller(web), route)
  }
  const original = active('outside.example')?.original({ address: '10.1.2.3', port: 80 })
  t.match(original, { key: '10.1.2.3:80', target: { port: 80, endpoint: { address: '10.1.2.3' }, mesh: undefined } })
  t.equal(active('outside.example')?.original({ address: '10.1.2.3', port: 80 }), original)
  const meshed = active('outside.example')?.original({ address: '10.77.0.2', port: 8080 })
  t.match(meshed?.target.mesh, { serverName: 'api.default.ns.mesh.local' }, 'an endpoint of the mesh stays one')
  t.equal(active('outside.example')?.original({ address: '240.240.0.9', port: 80 }), undefined)
  t.equal(active('api.default.mesh')?.original({ address: '10.1.2.3', port: 80 }), undefined)
  const rule = 'DestinationRule default/api { host: api, trafficPolicy: { loadBalancer: { simple: PASSTHROUGH } } }'
  const passing = build({ services: [aService()], traffic: routingWorld([], [rule]).traffic })
  t.match(active('api.default.mesh', passing)?.original({ address: '10.77.0.2', port: 8080 }), {
    key: '10.77.0.2:8080',
    target: { mesh: { serverName: 'api.default.ns.mesh.local' } },
  })
  t.end()
})

t.test('an endpoint that the caller names is the one of the cluster, or one of its own outside of it', t => {
  const kept = clusters()
  const inside = anEndpoint({ labels: { version: 'v2' } })
  const outside = anEndpoint({ id: 'b', address: '10.0.0.9' })
  const rule = 'DestinationRule default/api { host: api, subsets: [{ name: v2, labels: { version: v2 } }] }'
  const table = build({
    services: [aService({ endpoints: [inside, outside] })],
    traffic: routingWorld([], [rule]).traffic,
  })
  const destination = table.services.get('240.240.0.1:80')
  if (destination === undefined) throw new Error('no service')
  const route = { ...destination.route, subset: 'v2', cluster: 'outbound|80|v2|api.default.mesh' }
  const active = kept.of(table, table.caller(web), route)
  const [first, second] = destination.endpoints
  t.equal(active?.pinned(first), active?.cluster.pick())
  t.equal(active?.pinned(first), active?.pinned(first))
  t.match(active?.pinned(second), { key: '10.0.0.9:8080' })
  t.equal(active?.cluster.size, 1)
  t.equal(active?.pinned(undefined), undefined)
  t.end()
})
