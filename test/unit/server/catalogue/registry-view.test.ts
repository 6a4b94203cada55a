import assert from 'node:assert/strict'
import t from 'tap'
import type { RegistrySnapshot } from '../../../../mesh/model/catalogue.ts'
import { silentLog } from '../../../../mesh/std/log.ts'
import { createMapping } from '../../../../server/catalogue/mapping.ts'
import { type RegistryView, startRegistryView } from '../../../../server/catalogue/registry-view.ts'
import type { ViewCache } from '../../../../server/catalogue/view-cache.ts'
import { FakeClock } from '../../../fakes/clock.ts'
import { FakeRegistry } from '../../../fakes/registry.ts'
import { service, snapshotOf, workload } from '../../../support/catalogue.ts'
import { eventually } from '../../../support/eventually.ts'

const minute = 60_000

function of(count: number, given: Parameters<typeof service>[2] = {}): RegistrySnapshot {
  const ids = Array.from({ length: count }, (_, index) => `r/w${index}`)
  return snapshotOf(
    [service('api', ids, given)],
    ids.map(id => workload({ id })),
  )
}

class MemoryCache implements ViewCache {
  saved: RegistrySnapshot | undefined
  constructor(saved?: RegistrySnapshot) {
    this.saved = saved
  }
  async load() {
    return this.saved
  }
  save(snapshot: RegistrySnapshot) {
    this.saved = snapshot
  }
  async stop() {}
}

function start(
  t: { teardown(stop: () => unknown): unknown },
  saved?: RegistrySnapshot,
  map = (snapshot: RegistrySnapshot) => snapshot,
) {
  const clock = new FakeClock()
  const registry = new FakeRegistry()
  const cache = new MemoryCache(saved)
  const massRemoval = { share: 0.5, minimum: 4, windowMs: minute, confirmMs: 10 * minute, serviceMinimum: 3 }
  const view = startRegistryView(
    { clock, random: () => 0.5, log: silentLog, cache, map, validate: snapshot => snapshot },
    { name: 'r', kind: 'fake', massRemoval },
    registry.create,
  )
  t.teardown(() => view.stop())
  return { clock, registry, cache, view }
}

function sizeOf(view: RegistryView) {
  return view.snapshot.value?.workloads.size
}

t.test('is starting, without a view, until the registry has spoken', async t => {
  const { view, registry, clock } = start(t)
  await clock.advance(0)
  t.equal(view.snapshot.value, undefined)
  t.equal(view.status.value.state, 'starting')
  registry.report({ kind: 'failing', reason: 'connection refused' })
  t.match(view.status.value, { state: 'starting', reason: 'connection refused' })
  registry.say(of(2))
  await eventually(() => assert.equal(sizeOf(view), 2))
  t.match(view.status.value, { state: 'fresh', services: 1, workloads: 2 })
  t.notOk('reason' in view.status.value)
})

t.test('a failing registry is stale since then, and keeps its last good view', async t => {
  const { view, registry, clock } = start(t)
  registry.say(of(10))
  await eventually(() => assert.equal(sizeOf(view), 10))
  await clock.advance(5000)
  const failedAt = clock.now()
  registry.report({ kind: 'failing', reason: 'no leader' })
  await clock.advance(5000)
  registry.report({ kind: 'failing', reason: 'ACL not found' })
  t.match(view.status.value, { state: 'stale', since: failedAt, reason: 'ACL not found', workloads: 10 })
  t.equal(sizeOf(view), 10)
  registry.report({ kind: 'fresh' })
  t.match(view.status.value, { state: 'fresh', since: clock.now(), workloads: 10 })
  t.notOk('reason' in view.status.value)
})

t.test('an adapter that throws or ends is started again and costs nothing but freshness', async t => {
  const { view, registry, clock } = start(t)
  registry.say(of(3))
  await eventually(() => assert.equal(sizeOf(view), 3))
  registry.say(new Error('undefined is not a function'))
  await eventually(() => assert.equal(view.status.value.reason, 'undefined is not a function'))
  await clock.advance(minute)
  registry.say('end')
  await eventually(() => assert.match(view.status.value.reason ?? '', /ended by itself/))
  await clock.advance(minute)
  registry.say(of(4))
  await eventually(() => assert.equal(sizeOf(view), 4))
  t.equal(view.status.value.state, 'fresh')
  t.equal(registry.watched, 3)
})

t.test('an empty answer is held back and believed only after it has lasted', async t => {
  const { view, registry, clock } = start(t)
  registry.say(of(10))
  await eventually(() => assert.equal(sizeOf(view), 10))
  const heldAt = clock.now()
  registry.say(snapshotOf([], []))
  await eventually(() => assert.ok(view.status.value.held))
  t.same(view.status.value.held, {
    since: heldAt,
    until: heldAt + 10 * minute,
    workloads: 10,
    services: 1,
    answering: 0,
  })
  t.equal(sizeOf(view), 10)
  await clock.advance(10 * minute - 1)
  t.equal(sizeOf(view), 10)
  await clock.advance(1)
  t.equal(sizeOf(view), 0)
  t.notOk(view.status.value.held)
})

t.test('time confirms nothing while the registry is not in touch', async t => {
  const { view, registry, clock } = start(t)
  registry.say(of(10))
  registry.say(of(0))
  await eventually(() => assert.ok(view.status.value.held))
  registry.report({ kind: 'failing', reason: 'timeout' })
  await clock.advance(15 * minute)
  t.equal(sizeOf(view), 10)
  registry.report({ kind: 'fresh' })
  await clock.advance(10 * minute)
  t.equal(sizeOf(view), 0)
})

t.test('of a registry that comes back piece by piece, what is still missing stays until it is asked', async t => {
  const { view, registry, cache, clock } = start(t)
  registry.say(of(10))
  registry.say(of(1))
  await eventually(() => assert.ok(view.status.value.held))
  t.equal(cache.saved?.workloads.size, 10, 'what is held is saved with the rest')
  registry.say(of(7))
  await eventually(() => assert.equal(view.status.value.held?.workloads, 3))
  t.equal(sizeOf(view), 10)
  view.found(
    new Map([
      ['r/w7', true],
      ['r/w8', false],
    ]),
  )
  t.equal(sizeOf(view), 9)
  registry.say(of(10))
  await eventually(() => assert.equal(view.status.value.held, undefined))
  t.equal(sizeOf(view), 10)
  await clock.advance(20 * minute)
  t.equal(sizeOf(view), 10, 'no timer is left behind')
})

t.test('an operator confirms a held removal', async t => {
  const { view, registry } = start(t)
  registry.say(of(10))
  await eventually(() => assert.equal(sizeOf(view), 10))
  t.equal(view.confirm(), false, 'nothing is held')
  registry.say(of(0))
  await eventually(() => assert.ok(view.status.value.held))
  t.equal(view.confirm(), true)
  t.equal(sizeOf(view), 0)
  t.equal(view.status.value.state, 'fresh')
})

t.test('while a removal is held, news about what is left gets through', async t => {
  const { view, registry } = start(t)
  registry.say(of(10))
  registry.say(of(2, { hosts: ['new.example'] }))
  await eventually(() => assert.ok(view.status.value.held))
  t.same(view.snapshot.value?.services.get('default/api')?.hosts, ['new.example'])
  t.equal(view.snapshot.value?.services.get('default/api')?.endpoints.length, 10)
})

t.test('after a restart the saved view is served, stale, until the registry has spoken', async t => {
  const { view, registry } = start(t, of(10))
  await eventually(() => assert.equal(sizeOf(view), 10))
  t.match(view.status.value, { state: 'stale', reason: /since this server started/ })
  registry.say(of(0))
  await eventually(() => assert.ok(view.status.value.held))
  t.equal(sizeOf(view), 10, 'an empty answer after a restart is doubted like any other')
})

t.test('a registry that repeats itself changes nothing', async t => {
  const { view, registry } = start(t)
  registry.say(of(3))
  await eventually(() => assert.equal(sizeOf(view), 3))
  const before = view.snapshot.value
  registry.say(of(3))
  registry.report({ kind: 'failing', reason: 'marker' })
  await eventually(() => assert.equal(view.status.value.state, 'fresh'))
  t.equal(view.snapshot.value, before)
})

t.test('of what is held only what answers is kept, for as long as nobody confirms that it is gone', async t => {
  const { view, registry, clock } = start(t)
  registry.say(of(10))
  registry.say(of(0))
  await eventually(() => assert.ok(view.status.value.held))
  view.found(
    new Map([
      ['r/w0', false],
      ['r/w1', true],
      ['r/w2', true],
    ]),
  )
  t.match(view.status.value.held, { workloads: 9, answering: 2 })
  t.notOk(view.snapshot.value?.workloads.has('r/w0'), 'what does not answer is gone at once')
  await clock.advance(10 * minute)
  t.same([...(view.snapshot.value?.workloads.keys() ?? [])], ['r/w1', 'r/w2'])
  t.match(view.status.value.held, { workloads: 2, answering: 2 })
  await clock.advance(60 * minute)
  t.equal(sizeOf(view), 2)
  view.found(
    new Map([
      ['r/w1', false],
      ['r/w2', true],
    ]),
  )
  t.same([...(view.snapshot.value?.workloads.keys() ?? [])], ['r/w2'])
  t.equal(view.confirm(), true)
  t.equal(sizeOf(view), 0)
  t.notOk(view.status.value.held)
})

t.test('a service that loses all its endpoints is held while the rest of the registry goes on', async t => {
  const { view, registry } = start(t)
  const ids = ['r/a', 'r/b', 'r/c']
  const others = Array.from({ length: 20 }, (_, index) => workload({ id: `r/o${index}` }))
  registry.say(snapshotOf([service('api', ids)], [...ids.map(id => workload({ id })), ...others]))
  registry.say(snapshotOf([service('api')], others))
  await eventually(() => assert.ok(view.status.value.held))
  t.match(view.status.value.held, { workloads: 3, services: 0 })
  t.equal(view.snapshot.value?.services.get('default/api')?.endpoints.length, 3)
  view.found(new Map(ids.map(id => [id, false])))
  t.equal(view.snapshot.value?.services.get('default/api')?.endpoints.length, 0)
  t.notOk(view.status.value.held)
})

t.test('names are mapped once, not again when the saved view is read', async t => {
  const map = createMapping({ name: 'x-{name}', namespace: '{namespace}', hosts: [] }, 'r')
  const first = start(t, undefined, map)
  first.registry.say(of(2))
  await eventually(() => assert.equal(sizeOf(first.view), 2))
  t.same([...(first.cache.saved?.services.keys() ?? [])], ['default/x-api'])
  const second = start(
    t,
    first.cache.saved,
    createMapping({ name: 'x-{name}', namespace: '{namespace}', hosts: [] }, 'r'),
  )
  await eventually(() => assert.equal(sizeOf(second.view), 2))
  t.same([...(second.view.snapshot.value?.services.keys() ?? [])], ['default/x-api'])
  second.registry.say(of(2))
  await eventually(() => assert.equal(second.view.status.value.state, 'fresh'))
  t.same([...(second.view.snapshot.value?.services.keys() ?? [])], ['default/x-api'])
})
