import t from 'tap'
import type { EjectionEvent } from '../../../../../agent/dataplane/upstream/outlier.ts'
import { parseLocality } from '../../../../../mesh/model/locality.ts'
import {
  aCluster,
  clusterEndpoint,
  clusterEndpoints,
  clusterSettings,
  countPicks,
  nowhere,
  outlierSettings,
} from '../../../../support/cluster.ts'

t.test('there is nothing to pick from nothing', async t => {
  const { cluster } = aCluster({}, [])
  t.equal(cluster.pick(), undefined)
  t.equal(cluster.available, 0)
})

t.test('chooses neither unhealthy nor draining endpoints, nor those without weight', async t => {
  const endpoints = [
    clusterEndpoint('10.0.0.1:80', { health: 'unhealthy' }),
    clusterEndpoint('10.0.0.2:80', { health: 'draining' }),
    clusterEndpoint('10.0.0.3:80', { weight: 0 }),
    clusterEndpoint('10.0.0.4:80'),
  ]
  const { cluster } = aCluster({}, endpoints)
  t.strictSame([...countPicks(() => cluster.pick(), 100).keys()], ['10.0.0.4:80'])
  t.equal(cluster.size, 4)
  t.equal(cluster.available, 1)
})

t.test('passes over an endpoint that could not be reached lately, unless it is the last', async t => {
  const [failed, sound] = [clusterEndpoint('10.0.0.1:80'), clusterEndpoint('10.0.0.2:80')]
  const { cluster } = aCluster({}, [failed, sound])
  for (let connection = 0; connection < 9; connection += 1) sound.state.begin()
  cluster.report(failed, 'connect-failure')
  t.strictSame([...countPicks(() => cluster.pick(), 100).keys()], [sound.key])
  cluster.report(sound, 'connect-failure')
  t.equal(cluster.pick(), failed, 'when none is sound all are chosen from again')
})

t.test('tries one that failed again with one connection at a time, until it succeeds', async t => {
  const [failed, sound] = [clusterEndpoint('10.0.0.1:80'), clusterEndpoint('10.0.0.2:80')]
  const { cluster, clock } = aCluster({}, [failed, sound])
  for (let connection = 0; connection < 9; connection += 1) sound.state.begin()
  cluster.report(failed, 'connect-failure')
  await clock.advance(9_999)
  t.equal(cluster.pick(), sound)
  await clock.advance(1)
  t.equal(cluster.pick(), failed)
  for (const ms of [0, 5_000, 4_999]) {
    await clock.advance(ms)
    t.equal(cluster.pick(), sound, 'the trial has not ended yet')
  }
  await clock.advance(1)
  t.equal(cluster.pick(), failed)
  cluster.report(failed, 'tcp-connected')
  t.equal(cluster.pick(), failed)
  t.equal(cluster.pick(), failed)
})

t.test('a retry gets another endpoint than the tries before it, while there is one', async t => {
  for (const kind of ['least-request', 'round-robin'] as const) {
    const endpoints = clusterEndpoints(4)
    const { cluster } = aCluster({ balancer: { kind, warmup: undefined } }, endpoints)
    const tried = new Set(endpoints.slice(0, 3))
    for (let pick = 0; pick < 100; pick += 1) t.equal(cluster.pick({ hash: undefined, tried }), endpoints[3])
    const all = cluster.pick({ hash: undefined, tried: new Set(endpoints) })
    t.ok(all !== undefined, 'one that was tried is better than none')
  }
})

t.test('an ejected endpoint gets nothing until its time is over', async t => {
  const endpoints = clusterEndpoints(3)
  const [bad] = endpoints
  const { cluster, clock } = aCluster({ outlier: outlierSettings() }, endpoints)
  t.ok(bad)
  if (bad === undefined) return
  for (let answer = 0; answer < 5; answer += 1) cluster.answered(bad, 500)
  t.equal(cluster.available, 2)
  t.notOk(countPicks(() => cluster.pick(), 100).has(bad.key))
  await clock.advance(30_000)
  t.equal(cluster.available, 3)
  t.ok(countPicks(() => cluster.pick(), 100).has(bad.key))
})

t.test('tells of ejections and returns with the name of the cluster', async t => {
  const events: (readonly [string, EjectionEvent])[] = []
  const endpoints = clusterEndpoints(3)
  const [bad] = endpoints
  if (bad === undefined) return t.fail()
  const observe = (cluster: string, event: EjectionEvent) => void events.push([cluster, event])
  const { cluster, clock } = aCluster({ outlier: outlierSettings() }, endpoints, { observe })
  for (let failure = 0; failure < 5; failure += 1) cluster.report(bad, 'reset')
  await clock.advance(30_000)
  t.strictSame(events, [
    ['outbound|80||cart.shop.mesh', { kind: 'ejected', endpoint: bad, cause: 'consecutive-5xx', forMs: 30_000 }],
    ['outbound|80||cart.shop.mesh', { kind: 'returned', endpoint: bad }],
  ])
})

t.test('a new table changes who is chosen and forgets nothing of those that stay', async t => {
  const endpoints = clusterEndpoints(4)
  const [ejected, failed, busy, leaving] = endpoints
  if (ejected === undefined || failed === undefined || busy === undefined || leaving === undefined) return t.fail()
  const { cluster } = aCluster({ outlier: outlierSettings() }, endpoints)
  for (let answer = 0; answer < 5; answer += 1) cluster.answered(ejected, 500)
  cluster.report(failed, 'connect-failure')
  busy.state.begin()
  const copies = [ejected, failed, busy].map(endpoint => ({ ...endpoint }))
  const added = clusterEndpoint('10.9.9.9:80')
  cluster.update([...copies, added], nowhere)
  t.notOk(leaving.state.isMember)
  t.equal(cluster.available, 2)
  t.strictSame([...countPicks(() => cluster.pick(), 100).keys()], [added.key], 'the idle one')
})

t.test('new settings hold from the next choice on, for what is counted already too', async t => {
  const endpoints = clusterEndpoints(4)
  const { cluster } = aCluster({ outlier: outlierSettings() }, endpoints)
  const [bad, busy] = endpoints
  if (bad === undefined || busy === undefined) return t.fail()
  for (let answer = 0; answer < 5; answer += 1) cluster.answered(bad, 500)
  for (let request = 0; request < 50; request += 1) busy.state.begin()
  cluster.limits.acquire('requests')
  cluster.configure(
    clusterSettings({
      maxRequests: 1,
      outlier: outlierSettings({ intervalMs: 5000 }),
      balancer: { kind: 'round-robin', warmup: undefined },
    }),
  )
  t.equal(cluster.settings.maxRequests, 1)
  t.notOk(cluster.limits.acquire('requests'))
  t.equal(cluster.available, 3, 'the ejection goes on')
  t.ok(countPicks(() => cluster.pick(), 9).get(busy.key) === 3, 'round robin does not ask who is busy')
  cluster.configure(clusterSettings())
  t.equal(cluster.available, 4, 'without outlier detection all come back')
})

t.test('the same settings again leave everything as it is', async t => {
  const { cluster } = aCluster({ balancer: { kind: 'round-robin', warmup: undefined } }, clusterEndpoints(5))
  const order = Array.from({ length: 5 }, () => cluster.pick()?.key)
  cluster.configure({ ...cluster.settings })
  t.strictSame(
    Array.from({ length: 5 }, () => cluster.pick()?.key),
    order,
  )
})

t.test('a cluster that was stopped has no endpoints and no timers, and takes late reports', async t => {
  const endpoints = clusterEndpoints(3)
  const [bad] = endpoints
  if (bad === undefined) return t.fail()
  const { cluster, clock } = aCluster({ outlier: outlierSettings() }, endpoints)
  for (let answer = 0; answer < 5; answer += 1) cluster.answered(bad, 500)
  cluster.stop()
  cluster.stop()
  for (let answer = 0; answer < 5; answer += 1) cluster.answered(bad, 500)
  cluster.report(bad, 'connect-failure')
  t.equal(cluster.pick(), undefined)
  t.equal(clock.pending, 0)
})

t.test('without outlier detection nothing is ejected, however much fails', async t => {
  const endpoints = clusterEndpoints(2)
  const { cluster } = aCluster({}, endpoints)
  for (const endpoint of endpoints) for (let answer = 0; answer < 100; answer += 1) cluster.answered(endpoint, 503)
  t.equal(cluster.available, 2)
})

t.test('an answer shows that an endpoint can be reached', async t => {
  const endpoints = clusterEndpoints(2)
  const [failed] = endpoints
  if (failed === undefined) return t.fail()
  const { cluster } = aCluster({}, endpoints)
  cluster.report(failed, 'connect-failure')
  t.equal(cluster.available, 1)
  cluster.answered(failed, 503)
  t.equal(cluster.available, 2)
})

t.test('a hashed retry stays with its endpoint unless that cannot be reached', async t => {
  const key = { kind: 'source-ip' } as const
  for (const balancer of [
    { kind: 'ring-hash', minimumRingSize: 1024, key },
    { kind: 'maglev', tableSize: 65_537, key },
  ] as const) {
    const { cluster } = aCluster({ balancer }, clusterEndpoints(5))
    const first = cluster.pick({ hash: 12_345, tried: undefined })
    if (first === undefined) return t.fail()
    const tried = new Set([first])
    t.equal(cluster.pick({ hash: 12_345, tried }), first)
    cluster.report(first, 'connect-failure')
    t.not(cluster.pick({ hash: 12_345, tried }), first)
  }
})

t.test('a client whose place is not known calls all endpoints, also those of whom it is known', async t => {
  const endpoints = [clusterEndpoint('10.0.0.1:80'), clusterEndpoint('10.0.0.2:80', { locality: 'dc1' })]
  const { cluster } = aCluster({}, endpoints)
  t.strictSame([...countPicks(() => cluster.pick(), 100).keys()].sort(), ['10.0.0.1:80', '10.0.0.2:80'])
  cluster.update(endpoints, { ...nowhere, locality: parseLocality('dc1') })
  t.strictSame([...countPicks(() => cluster.pick(), 100).keys()], ['10.0.0.2:80'], 'the near one comes first')
})
