import t from 'tap'
import { firstWarmAt, warmupFactor } from '../../../../../agent/dataplane/upstream/slow-start.ts'
import { aCluster, clusterEndpoint, clusterEndpoints, countPicks, nowhere } from '../../../../support/cluster.ts'

const warmup = { durationMs: 60_000, minimumPercent: 10, aggression: 1 }

t.test('the share grows from its minimum with time, bent by the aggression', async t => {
  const rows = [
    [warmup, 0, 0.1],
    [warmup, 5_999, 0.1],
    [warmup, 30_000, 0.5],
    [warmup, 59_999, 59_999 / 60_000],
    [warmup, 60_000, 1],
    [{ ...warmup, minimumPercent: 0 }, 0, 1 / 60],
    [{ ...warmup, aggression: 2 }, 15_000, 0.5],
    [{ ...warmup, aggression: 0.5 }, 30_000, 0.25],
    [{ ...warmup, durationMs: 500 }, 0, 1],
  ] as const
  for (const [settings, elapsed, factor] of rows) t.equal(warmupFactor(settings, 1000, 1000 + elapsed), factor)
  t.equal(warmupFactor(warmup, undefined, 0), 1)
})

t.test('says when the next endpoint is warm', async t => {
  const endpoints = clusterEndpoints(3)
  for (const [index, { state }] of endpoints.entries()) state.healthySince = index * 1000
  t.equal(firstWarmAt(warmup, endpoints, 60_000), 61_000)
  t.equal(firstWarmAt(warmup, endpoints, 62_000), Number.POSITIVE_INFINITY)
  t.equal(firstWarmAt(undefined, endpoints, 0), Number.POSITIVE_INFINITY)
})

for (const kind of ['round-robin', 'least-request'] as const) {
  t.test(`${kind}: a new endpoint gets its share of traffic little by little`, async t => {
    const old = clusterEndpoints(3)
    const { cluster, clock } = aCluster({ balancer: { kind, warmup } }, old)
    await clock.advance(60_000)
    const added = clusterEndpoint('10.9.9.9:80')
    cluster.update([...old, added], nowhere)
    const share = () => (countPicks(() => cluster.pick(), 10_000).get(added.key) ?? 0) / 10_000
    for (const [ms, factor] of [
      [0, 0.1],
      [15_000, 0.25],
      [15_000, 0.5],
      [30_000, 1],
    ] as const) {
      await clock.advance(ms)
      const got = share()
      t.ok(Math.abs(got - factor / (3 + factor)) < 0.02, `${got} at ${factor} of its weight`)
    }
  })

  t.test(`${kind}: an endpoint that is well again starts slowly too`, async t => {
    const old = clusterEndpoints(1)
    const other = clusterEndpoint('10.9.9.9:80')
    const { cluster, clock } = aCluster({ balancer: { kind, warmup } }, [...old, other])
    await clock.advance(60_000)
    cluster.update([...old, { ...other, health: 'unhealthy' }], nowhere)
    await clock.advance(60_000)
    cluster.update([...old, other], nowhere)
    const share = (countPicks(() => cluster.pick(), 10_000).get(other.key) ?? 0) / 10_000
    t.ok(Math.abs(share - 0.1 / 1.1) < 0.02, `${share}`)
  })

  t.test(
    `${kind}: an endpoint that left and came back starts slowly, though something is still under way to it`,
    async t => {
      const old = clusterEndpoints(1)
      const other = clusterEndpoint('10.9.9.9:80')
      const { cluster, clock } = aCluster({ balancer: { kind, warmup } }, [...old, other])
      await clock.advance(60_000)
      cluster.update(old, nowhere)
      await clock.advance(60_000)
      cluster.update([...old, other], nowhere)
      t.equal(other.state.healthySince, 120_000)
      t.equal(old[0]?.state.healthySince, 0)
    },
  )

  t.test(`${kind}: endpoints that are all new share as if they were not`, async t => {
    const endpoints = clusterEndpoints(4)
    const { cluster } = aCluster({ balancer: { kind, warmup } }, endpoints)
    const counts = countPicks(() => cluster.pick(), 10_000)
    for (const { key } of endpoints) t.ok(Math.abs((counts.get(key) ?? 0) - 2500) < 100, `${counts.get(key)}`)
  })
}
