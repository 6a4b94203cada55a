import t from 'tap'
import {
  aCluster,
  clusterEndpoint,
  clusterEndpoints,
  countPicks,
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
