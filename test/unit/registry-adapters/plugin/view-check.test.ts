import t, { type Test } from 'tap'
import type { Service } from '../../../../mesh/model/service.ts'
import type { Workload } from '../../../../mesh/model/workload.ts'
import { type Table, tableOf } from '../../../../mesh/std/table.ts'
import { createViewCheck } from '../../../../registry-adapters/plugin/view-check.ts'
import { service, snapshotOf, workload } from '../../../support/catalogue.ts'

/** A view with everything in it that a plugin can say. */
const api: Service = service('api', ['zk/a'], {
  hosts: ['api.test'],
  addresses: ['10.1.0.0/16'],
  exportTo: ['*'],
  endpoints: [{ workload: 'zk/a', ports: { http: 8080 }, weight: 2 }],
})
const full: Workload = workload({
  id: 'zk/a',
  node: 'h1',
  serviceAccount: 'api',
  labels: { app: 'api' },
  health: 'unhealthy',
  healthReason: 'it said so',
  callers: [
    { kind: 'uid', uid: 7 },
    { kind: 'user', user: 'api' },
    { kind: 'cgroup', path: 'x.slice' },
  ],
  probe: {
    check: { kind: 'http', scheme: 'http', port: 80, path: '/', headers: [['a', 'b']] },
    initialDelayMs: 0,
    timeoutMs: 1,
    periodMs: 2,
    successThreshold: 3,
    failureThreshold: 4,
  },
})
const good = snapshotOf([api], [full])

function checked(view: unknown) {
  const result = createViewCheck()(view)
  if (result.kind === 'bad') throw new Error(result.reason)
  return result.snapshot
}

/** What is said of one item, put where workloads belong under that key. */
function problemOf(t: Test, item: unknown, key = 'zk/a'): string | undefined {
  const { workloads, problems } = checked({ ...good, services: tableOf(), workloads: tableOf([[key, item]]) })
  t.equal(workloads.size, 0, 'a bad item is left out')
  t.equal(problems.length, 1)
  return problems[0]?.reason
}

t.test('a good view is copied whole', async t => {
  const seen = checked(good)
  t.same(seen.services.get('default/api'), api)
  t.same(seen.workloads.get('zk/a'), full)
  t.not(seen.workloads.get('zk/a'), full)
  t.same(seen.problems, [])
})

t.test('every kind of health check is let through', async t => {
  const checks = [
    { kind: 'tcp', port: 1, host: '10.0.0.1' },
    { kind: 'grpc', port: 1, service: '' },
    { kind: 'exec', command: ['true'] },
    { kind: 'unit', unit: 'api.service' },
  ]
  for (const check of checks) {
    const said = { ...full, probe: { ...full.probe, check } }
    t.match(checked({ ...good, workloads: tableOf([['zk/a', said]]) }).workloads.get('zk/a'), { probe: { check } })
  }
})

t.test('what is no view, or has no tables of ours, gives a reason and nothing else', async t => {
  const check = createViewCheck()
  for (const view of [undefined, null, 7, 'view', []]) t.match(check(view), { kind: 'bad' })
  const lookalike = { get: () => undefined, entries: () => [], size: 0, [Symbol.iterator]: () => [].values() }
  for (const services of [undefined, [], new Map(), {}, lookalike]) {
    t.match(check({ ...good, services }), { kind: 'bad', reason: /its services are no table of this server/ })
  }
  t.match(check({ ...good, workloads: null }), { kind: 'bad', reason: /its workloads are no table/ })
  const trap = Object.defineProperty({}, 'services', {
    get() {
      throw new Error('a trap')
    },
  })
  t.match(check(trap), { kind: 'bad', reason: /cannot be looked at: a trap/ })
})

t.test('an item of another shape is left out with the field that is wrong', async t => {
  t.equal(problemOf(t, 7), 'must be a mapping, not a number')
  t.equal(problemOf(t, {}), 'its id must be text, not nothing')
  t.equal(problemOf(t, { ...full, labels: { a: 1 } }), 'its labels.a must be text, not a number')
  t.equal(problemOf(t, { ...full, health: 'fine' }), 'its health must be healthy or unhealthy or draining, not fine')
  t.equal(
    problemOf(t, { ...full, callers: [{ kind: 'gid' }] }),
    'its callers[0].kind must be uid or user or cgroup, not gid',
  )
  t.equal(problemOf(t, { ...full, callers: {} }), 'its callers must be a list, not an object')
  t.equal(problemOf(t, { ...full, locality: null }), 'its locality must be a mapping, not null')
  t.equal(problemOf(t, { ...full, name: 'x'.repeat(513) }), 'its name is longer than 512 characters')
  t.equal(problemOf(t, full, 'zk/b'), 'it calls itself "zk/a", it must be listed as that')
  const throwing = new Proxy(
    { ...full },
    {
      get: () => Object.create(null),
      ownKeys: () => {
        throw Object.create(null)
      },
    },
  )
  t.equal(problemOf(t, throwing), 'its id must be text, not an object')
})

t.test('the others stay when one is left out', async t => {
  const { services, workloads, problems } = checked({
    ...good,
    workloads: good.workloads.with([['zk/b', { ...full, id: 'zk/b', weight: '1' } as unknown as Workload]]),
  })
  t.same([...workloads.keys()], ['zk/a'])
  t.equal(services.size, 1)
  t.same(problems, [{ item: 'workload zk/b', reason: 'its weight must be a number, not text' }])
})

t.test('a field that nobody knows is left out and told, the item stays', async t => {
  const { workloads, problems } = checked({
    ...good,
    workloads: tableOf([['zk/a', { ...full, helth: 'x', __proto__x: 1 }]]),
  })
  t.same(workloads.get('zk/a'), full)
  t.match(problems, [
    { item: 'workload zk/a', reason: /it has helth, which is no field and is left out, and has __proto__x/ },
  ])
})

t.test('keys that JavaScript treats specially stay keys', async t => {
  const labels = JSON.parse('{"__proto__":"x","constructor":"y"}')
  const { workloads } = checked({ ...good, workloads: tableOf([['zk/a', { ...full, labels }]]) })
  t.same(Object.keys(workloads.get('zk/a')?.labels ?? {}), ['__proto__', 'constructor'])
  t.equal(Object.getPrototypeOf(workloads.get('zk/a')?.labels), Object.prototype)
})

t.test('what a plugin does to its objects later reaches nobody', async t => {
  const mine = { ...full, labels: { app: 'api' } }
  const { workloads } = checked({ ...good, workloads: tableOf([['zk/a', mine]]) })
  mine.labels.app = 'other'
  t.equal(workloads.get('zk/a')?.labels.app, 'api')
})

t.test('only what changed is looked at again, and what says the same stays the same object', async t => {
  const check = createViewCheck()
  const take = (view: unknown) => {
    const result = check(view)
    if (result.kind === 'bad') throw new Error(result.reason)
    return result.snapshot
  }
  let looked = 0
  const counted = new Proxy(
    { ...full },
    {
      get(target, key) {
        if (key === 'id') looked += 1
        return Reflect.get(target, key)
      },
    },
  )
  const workloads: Table<unknown> = tableOf([['zk/a', counted]])
  const first = take({ ...good, workloads })
  t.equal(take({ ...good, workloads }), first)
  t.equal(looked, 1)
  const again = take({ ...snapshotOf([{ ...api }], []), workloads: workloads.with([['zk/a', { ...full }]]) })
  t.equal(again, first, 'another object that says the same is no change')
  const changed = take({ ...good, workloads: workloads.with([['zk/b', { ...full, id: 'zk/b' }]]) })
  t.equal(changed.workloads.get('zk/a'), first.workloads.get('zk/a'))
  t.equal(changed.services, first.services)
})

t.test('problems of the plugin are made one line each, and of many the first thousand stay', async t => {
  const { problems } = checked({ ...good, problems: [{ item: 'a\nb', reason: 'x\u001b[31m' }, 7, { item: 'c' }] })
  t.same(problems, [
    { item: 'a', reason: 'x [31m' },
    { item: 'problems[1]', reason: 'must be a mapping, not a number' },
    { item: 'problems[2]', reason: 'its reason must be text, not nothing' },
  ])
  const many = Array.from({ length: 1500 }, (_, index) => ({ item: `i${index}`, reason: 'r' }))
  t.equal(checked({ ...good, problems: many }).problems.length, 1000)
  t.match(checked({ ...good, problems: 'none' }).problems, [{ item: 'problems', reason: /must be a list/ }])
})
