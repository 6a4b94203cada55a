import t, { type Test } from 'tap'
import { systemClock, systemRandom } from '../../../../mesh/std/clock.ts'
import { silentLog } from '../../../../mesh/std/log.ts'
import { createConsulAdapter } from '../../../../registry-adapters/consul/adapter.ts'
import type { ConsulOptions } from '../../../../registry-adapters/consul/options.ts'
import { FakeConsul, type Fault } from '../../../fakes/consul.ts'
import { quickPace, registrationOf } from '../../../support/consul-driver.ts'
import { eventually, until } from '../../../support/eventually.ts'
import { endpointsOf, watchAdapter } from '../../../support/watch-adapter.ts'

const faults: readonly (readonly [string, Fault, RegExp])[] = [
  ['has no leader', { kind: 'status', status: 500, body: 'No cluster leader' }, /status 500, said No cluster leader/],
  ['limits the rate', { kind: 'status', status: 429, retryAfterS: 1 }, /limits the rate of requests.*429/],
  ['is overloaded', { kind: 'status', status: 503 }, /503/],
  [
    'knows the token no more',
    { kind: 'status', status: 403, body: 'ACL not found' },
    /refuses the token.*ACL not found/,
  ],
  ['filters everything from its answers', { kind: 'empty' }, /missing|no node|no instance/],
  ['answers garbage', { kind: 'garbage' }, /cannot be read/],
  ['answers with another shape', { kind: 'body', body: 'a login page' }, /another shape/],
  ['answers null', { kind: 'body', body: null }, /another shape/],
  ['breaks off its answers', { kind: 'cut', midway: true }, /broke off|cannot be read/],
  ['hangs up', { kind: 'cut', midway: false }, /cannot be read/],
  ['does not answer', { kind: 'hang' }, /in time/],
  ['is a follower that lost its leader', { kind: 'no-leader' }, /no leader/],
]

for (const [what, fault, reason] of faults) {
  t.test(`a Consul that ${what} keeps its last view, and is fresh when it is well again`, async t => {
    const { fake, watch } = await start(t)
    const watched = watch({ pace: { ...quickPace, answerMs: 300 }, stale: true })
    const before = await watched.view(view => endpointsOf(view, 'api')?.length === 1)
    await watched.stands('fresh')
    fake.fault = () => fault
    fake.release()
    await watched.stands('failing', reason)
    t.same(watched.views, [before])
    fake.fault = () => undefined
    await watched.stands('fresh')
    add(fake, 'api-2', '10.77.0.2')
    await watched.view(view => endpointsOf(view, 'api')?.length === 2)
    for (const view of watched.views) t.ok(endpointsOf(view, 'api')?.includes('10.77.0.1:8080'))
  })
}

for (const resource of ['services', 'nodes', 'checks/critical', 'checks/warning', 'service/api']) {
  t.test(`a fault of ${resource} alone is a failure, and heals`, async t => {
    const { fake, watch } = await start(t)
    fake.fault = request => (request.resource === resource ? { kind: 'status', status: 500 } : undefined)
    const watched = watch({})
    await watched.stands('failing', /500/)
    if (resource.startsWith('service')) t.same(watched.views, [])
    fake.fault = () => undefined
    await watched.view(view => endpointsOf(view, 'api')?.length === 1)
    await watched.stands('fresh')
  })
}

t.test('one service that cannot be read does not keep the others from changing', async t => {
  const { fake, watch } = await start(t)
  add(fake, 'web-1', '10.77.0.7', 'web')
  const watched = watch({})
  await watched.view(view => endpointsOf(view, 'web') !== undefined)
  fake.fault = request => (request.resource === 'service/web' ? { kind: 'garbage' } : undefined)
  add(fake, 'web-2', '10.77.0.8', 'web')
  await watched.stands('failing', /service web/)
  add(fake, 'api-2', '10.77.0.2')
  const view = await watched.view(view => endpointsOf(view, 'api')?.length === 2)
  t.same(endpointsOf(view, 'web'), ['10.77.0.7:8080'], 'what cannot be read stays as it was')
  fake.apply(() => fake.state.deregister({ Node: 'node-web-1' }))
  fake.apply(() => fake.state.deregister({ Node: 'node-web-2' }))
  await watched.view(view => endpointsOf(view, 'web') === undefined)
  await watched.stands('fresh')
})

t.test('an empty answer for a service that is still listed is not believed', async t => {
  const { fake, watch } = await start(t)
  const watched = watch({})
  await watched.view(view => endpointsOf(view, 'api')?.length === 1)
  await watched.stands('fresh')
  fake.fault = request => (request.resource === 'service/api' ? { kind: 'empty' } : undefined)
  fake.apply(() => fake.state.touch('service/api'))
  await watched.stands('failing', /no instance that may be read \(service api\)/)
  t.equal(watched.views.length, 1)
  fake.fault = () => undefined
  await watched.stands('fresh')
})

t.test('a hanging server is noticed although every standing query waits, and all are asked anew', async t => {
  const { fake, watch } = await start(t)
  const watched = watch({ pace: { ...quickPace, answerMs: 300, heartbeatMs: 50 } })
  await watched.view(view => endpointsOf(view, 'api')?.length === 1)
  await watched.stands('fresh')
  fake.fault = () => ({ kind: 'hang' })
  await watched.stands('failing', /in time/)
  // Written where nobody is told: the queries that waited before the fault stay silent.
  fake.state.register(registrationOf({ id: 'api-2', service: 'api', address: '10.77.0.2', port: 8080 }))
  fake.fault = () => undefined
  await watched.view(view => endpointsOf(view, 'api')?.length === 2)
  await watched.stands('fresh')
})

t.test('a Consul that was restarted without its memory is read anew', async t => {
  const { fake, watch } = await start(t)
  for (let times = 0; times < 50; times += 1) fake.state.touch('services')
  const watched = watch({})
  await watched.view(view => endpointsOf(view, 'api')?.length === 1)
  await until('all queries are waiting', () => fake.requests.filter(({ index }) => index !== undefined).length > 4)
  fake.state.reset()
  add(fake, 'web-1', '10.77.0.7', 'web')
  fake.cut()
  const view = await watched.view(view => endpointsOf(view, 'web')?.length === 1)
  t.equal(endpointsOf(view, 'api'), undefined)
  await watched.stands('fresh')
})

t.test('an index that is 0 or missing slows the loop down and loses no change', async t => {
  for (const index of [0, undefined]) {
    const { fake, watch } = await start(t)
    fake.fault = request => (request.resource === 'services' ? { kind: 'index', index } : undefined)
    const watched = watch({})
    await watched.view(view => endpointsOf(view, 'api')?.length === 1)
    add(fake, 'web-1', '10.77.0.7', 'web')
    await watched.view(view => endpointsOf(view, 'web')?.length === 1)
    await eventually(() => {
      if (fake.requests.filter(({ resource }) => resource === 'services').length < 5) throw new Error('not yet')
    })
    t.ok(fake.requests.every(request => request.index !== 0n))
  }
})

t.test('a state that comes and goes between two lists of checks does not stick', async t => {
  const { fake, watch } = await start(t)
  const watched = watch({ pace: { ...quickPace, repeatMs: 400 } })
  await watched.view(view => endpointsOf(view, 'api')?.length === 1)
  const lists = () => fake.requests.filter(({ resource }) => resource === 'checks/critical').length
  const before = lists()
  // Uses up the burst: the next list of checks is asked for when all of the following is over.
  await eventually(() => {
    fake.apply(() => fake.state.touch('checks/critical'))
    if (lists() < before + 1) throw new Error('not asked yet')
  })
  fake.apply(() => fake.state.touch('checks/critical'))
  const maintenance = { CheckID: '_service_maintenance:web-1', Name: 'm', ServiceID: 'web-1', Status: 'critical' }
  const web = registrationOf({ id: 'web-1', service: 'web', address: '10.77.0.7', port: 80 })
  fake.apply(() => fake.state.register({ ...web, Check: maintenance }))
  const health = (expected: string) =>
    watched.view(view => view.workloads.values().some(w => w.name === 'web' && w.health === expected))
  await health('draining')
  fake.apply(() => fake.state.deregister({ Node: web.Node, CheckID: maintenance.CheckID }))
  await health('healthy')
})

t.test('a follower that lags behind is not believed before the leader says the same', async t => {
  const { fake, watch } = await start(t)
  for (let times = 0; times < 20; times += 1) fake.state.touch('services')
  const watched = watch({ stale: true })
  await watched.view(view => endpointsOf(view, 'api')?.length === 1)
  const current = fake.state.services()
  fake.fault = request => (request.resource === 'services' && request.stale ? { kind: 'index', index: 5 } : undefined)
  fake.release()
  await eventually(() => {
    const asked = fake.requests.filter(request => request.resource === 'services' && !request.stale)
    if (asked.length < 2) throw new Error('the leader has not been asked')
  })
  fake.fault = () => undefined
  t.same(fake.state.services(), current)
  t.equal(watched.views.length, 1)
})

t.test('stale reads, the datacentre and the token are asked for as configured', async t => {
  const { fake, watch } = await start(t)
  const watched = watch({ stale: true, datacenter: 'dc7', token: 's3cret' })
  await watched.view(view => endpointsOf(view, 'api')?.length === 1)
  t.ok(fake.requests.every(request => request.datacenter === 'dc7' && request.token === 's3cret'))
  t.ok(fake.requests.some(request => request.resource === 'services' && request.stale))
  t.notOk(
    fake.requests.some(({ resource, index, stale }) => resource === 'service/api' && index === undefined && stale),
    'reads ask the leader',
  )
})

t.test('a namespace, a partition and a filter are asked for as configured', async t => {
  const { fake, watch } = await start(t)
  const filter = '"mesh" in Service.Tags'
  const watched = watch({ consulNamespace: 'team-a', partition: 'east', filter })
  await watched.stands('failing', /option consulNamespace/)
  t.ok(fake.requests.every(request => request.namespace === 'team-a' && request.partition === 'east'))
  t.ok(fake.requests.filter(({ resource }) => resource === 'service/api').every(request => request.filter === filter))
  t.ok(
    fake.requests.filter(({ resource }) => resource === 'service/consul').every(({ filter }) => filter === undefined),
  )
})

async function start(t: Test) {
  const fake = await FakeConsul.start()
  t.teardown(() => fake.stop())
  add(fake, 'api-1', '10.77.0.1')
  const deps = { name: 'consul', clock: systemClock, random: systemRandom, log: silentLog }
  const watch = (options: Partial<ConsulOptions>) =>
    watchAdapter(t, report =>
      createConsulAdapter({ ...deps, report }, { address: fake.address, pace: quickPace, ...options }),
    )
  return { fake, watch }
}

function add(fake: FakeConsul, id: string, address: string, service = 'api'): void {
  fake.apply(() => fake.state.register(registrationOf({ id, service, address, port: 8080 })))
}
