import t, { type Test } from 'tap'
import { systemClock, systemRandom } from '../../../../mesh/std/clock.ts'
import { silentLog } from '../../../../mesh/std/log.ts'
import { createConsulAdapter } from '../../../../registry-adapters/consul/adapter.ts'
import type { ConsulOptions } from '../../../../registry-adapters/consul/options.ts'
import { FakeConsul, type Fault } from '../../../fakes/consul.ts'
import { FakeConsulState } from '../../../fakes/consul-state.ts'
import { quickPace, registrationOf } from '../../../support/consul-driver.ts'
import { until } from '../../../support/eventually.ts'
import { endpointsOf, watchAdapter } from '../../../support/watch-adapter.ts'

const faults: readonly (readonly [string, Fault])[] = [
  ['answers 500', { kind: 'status', status: 500, body: 'rpc error' }],
  ['limits the rate', { kind: 'status', status: 429, retryAfterS: 30 }],
  ['has no leader', { kind: 'status', status: 500, body: 'No cluster leader' }],
  ['has lost its leader', { kind: 'no-leader' }],
  ['hangs up', { kind: 'cut', midway: false }],
  ['breaks off', { kind: 'cut', midway: true }],
  ['answers garbage', { kind: 'garbage' }],
  ['does not answer', { kind: 'hang' }],
]

for (const [what, fault] of faults) {
  t.test(
    `when the server in use ${what}, another one is asked at once, and the first again when it is well`,
    async t => {
      const { servers, change, watch } = await start(t, 3)
      const watched = watch({ stale: true })
      await watched.view(view => endpointsOf(view, 'api')?.length === 1)
      await watched.stands('fresh')
      const [first, second, third] = servers
      first!.fault = () => fault
      first!.release()
      change(state => state.register(instance('api-2')))
      await watched.view(view => endpointsOf(view, 'api')?.length === 2)
      await until('the second server is followed', () => second!.open > 3)
      t.same(third!.requests, [], 'one of the others is enough')
      first!.fault = () => undefined
      await until('the first is followed again', () => second!.open === 0 && first!.open > 3)
      change(state => state.register(instance('api-3')))
      await watched.view(view => endpointsOf(view, 'api')?.length === 3)
      t.ok(
        watched.health.every(({ kind }) => kind === 'fresh'),
        'none of this was a failure of the registry',
      )
      for (const view of watched.views)
        t.ok(endpointsOf(view, 'api')?.includes('10.77.0.1:8080'), 'never an emptier view')
    },
  )
}

t.test('a registry with a dead first server starts, and one with none waits for the first that comes', async t => {
  const { servers, watch } = await start(t, 2)
  for (const server of servers) server.fault = () => ({ kind: 'cut', midway: false })
  const watched = watch({})
  await watched.stands('failing', /cannot be read.*\(read .*server http/)
  t.same(watched.views, [])
  servers[1]!.fault = () => undefined
  await watched.view(view => endpointsOf(view, 'api')?.length === 1)
  await watched.stands('fresh')
})

t.test('when all servers fail the last view stays', async t => {
  const { servers, change, watch } = await start(t, 2)
  const watched = watch({})
  const before = await watched.view(view => endpointsOf(view, 'api')?.length === 1)
  await watched.stands('fresh')
  for (const server of servers) {
    server.fault = () => ({ kind: 'status', status: 500, body: 'No cluster leader' })
    server.release()
  }
  await watched.stands('failing', /No cluster leader/)
  t.same(watched.views, [before])
  for (const server of servers) server.fault = () => undefined
  change(state => state.register(instance('api-2')))
  await watched.view(view => endpointsOf(view, 'api')?.length === 2)
  await watched.stands('fresh')
})

t.test('a refused token is no reason to ask another server', async t => {
  const { servers, watch } = await start(t, 2)
  for (const server of servers) server.fault = () => ({ kind: 'status', status: 403, body: 'ACL not found' })
  const watched = watch({})
  await watched.stands('failing', /refuses the token/)
  t.same(servers[1]!.requests, [])
})

t.test('another server that lags behind does not take the view back', async t => {
  const behind = new FakeConsulState()
  behind.register(instance('api-1'))
  const { servers, change, watch } = await start(t, 1)
  for (let times = 0; times < 20; times += 1) change(state => state.touch('services'))
  change(state => state.register(instance('api-2')))
  const lagging = await FakeConsul.start('127.0.0.1', behind)
  t.teardown(() => lagging.stop())
  const [good] = servers
  /** Whom the lagging server asks for the leader's word. */
  let leaderAsked = 0
  lagging.fault = ({ resource, stale }) => {
    if (stale) return undefined
    leaderAsked += 1
    const body = resource === 'services' ? good!.state.services() : good!.state.service('api')
    if (resource === 'services' || resource === 'service/api')
      return { kind: 'body', body, index: good!.state.index(resource) }
    return undefined
  }
  const watched = watch({ stale: true, addresses: [good!.address, lagging.address] })
  await watched.view(view => endpointsOf(view, 'api')?.length === 2)
  await watched.stands('fresh')
  good!.fault = () => ({ kind: 'cut', midway: false })
  good!.release()
  await until('the lagging server is followed', () => lagging.open > 3 && leaderAsked > 2)
  t.ok(
    watched.views.every(view => endpointsOf(view, 'api')?.length === 2),
    'what was there stays there',
  )
})

function instance(id: string) {
  return registrationOf({ id, service: 'api', address: `10.77.0.${id.slice(4)}`, port: 8080 })
}

/** Servers of one cluster: they share a state. */
async function start(t: Test, count: number) {
  const state = new FakeConsulState()
  state.register(instance('api-1'))
  const servers: FakeConsul[] = []
  for (let number = 0; number < count; number += 1) servers.push(await FakeConsul.start('127.0.0.1', state))
  t.teardown(() => Promise.all(servers.map(server => server.stop())))
  const deps = { name: 'consul', clock: systemClock, random: systemRandom, log: silentLog }
  const watch = (options: Partial<ConsulOptions>) =>
    watchAdapter(t, report =>
      createConsulAdapter(
        { ...deps, report },
        { addresses: servers.map(({ address }) => address), pace: { ...quickPace, aliveMs: 300 }, ...options },
      ),
    )
  const change = (apply: (state: FakeConsulState) => void) => {
    apply(state)
    for (const server of servers) server.apply(() => {})
  }
  return { servers, change, watch }
}
