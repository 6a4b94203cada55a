import t from 'tap'
import { hash53 } from '../../../../../agent/dataplane/upstream/hash.ts'
import { parseLocality } from '../../../../../mesh/model/locality.ts'
import type { Health } from '../../../../../mesh/model/workload.ts'
import type { ClusterSettings, LocalitySettings } from '../../../../../mesh/routing/cluster.ts'
import { aCluster, clusterEndpoint, countPicks, outlierSettings } from '../../../../support/cluster.ts'

const client = { locality: parseLocality('eu/a/1'), labels: {} }
const picks = 20_000

/** Endpoints by locality: so many, and so many of them healthy. */
type Spread = Readonly<Record<string, readonly [total: number, healthy: number]>>

function world(spread: Spread, settings: Partial<ClusterSettings> = {}, others: Health = 'unhealthy') {
  const endpoints = Object.entries(spread).flatMap(([locality, [total, healthy]]) =>
    Array.from({ length: total }, (_, index) =>
      clusterEndpoint(`${locality}#${index}`, { locality, health: index < healthy ? 'healthy' : others }),
    ),
  )
  return { endpoints, ...aCluster(settings, endpoints, { client }) }
}

/** Percent of picks by locality. */
function percents(pick: (index: number) => { readonly key: string } | undefined): Readonly<Record<string, number>> {
  const found: Record<string, number> = {}
  for (let index = 0; index < picks; index += 1) {
    const locality = pick(index)?.key.split('#')[0] ?? 'none'
    found[locality] = (found[locality] ?? 0) + 100 / picks
  }
  return found
}

const locality = (values: Partial<LocalitySettings>): Partial<ClusterSettings> => ({
  locality: { enabled: true, distribute: [], failover: [], failoverPriority: [], ...values },
})

t.test('the nearest take all traffic while enough of them are healthy, then the next take what is over', async t => {
  const rows: readonly (readonly [Spread, Readonly<Record<string, number>>])[] = [
    [{ 'eu/a/1': [10, 10], 'eu/b/1': [10, 10], 'us/a/1': [10, 10] }, { 'eu/a/1': 100 }],
    [{ 'eu/a/1': [4, 3], 'eu/b/1': [10, 10] }, { 'eu/a/1': 100 }],
    [
      { 'eu/a/1': [10, 5], 'eu/b/1': [10, 10] },
      { 'eu/a/1': 70, 'eu/b/1': 30 },
    ],
    [
      { 'eu/a/1': [4, 1], 'eu/b/1': [4, 1], 'us/a/1': [4, 4] },
      { 'eu/a/1': 35, 'eu/b/1': 35, 'us/a/1': 30 },
    ],
    [{ 'eu/a/1': [4, 0], 'us/a/1': [1, 1] }, { 'us/a/1': 100 }],
    [
      { 'eu/a/1': [4, 1], 'us/a/1': [4, 1] },
      { 'eu/a/1': 50, 'us/a/1': 50 },
    ],
    [{ 'eu/a/1': [4, 0], 'us/a/1': [4, 0] }, { none: 100 }],
  ]
  for (const [spread, expected] of rows) {
    const { cluster } = world(spread)
    const found = percents(() => cluster.pick())
    t.strictSame(Object.keys(found).sort(), Object.keys(expected).sort(), JSON.stringify(spread))
    for (const [place, percent] of Object.entries(expected)) {
      t.ok(Math.abs((found[place] ?? 0) - percent) < 2, `${place}: ${found[place]} for ${percent}`)
    }
  }
})

t.test('endpoints that drain are on their way out: the others of their locality carry its traffic', async t => {
  const { cluster } = world({ 'eu/a/1': [4, 1], 'us/a/1': [4, 4] }, {}, 'draining')
  t.strictSame(Object.keys(percents(() => cluster.pick())), ['eu/a/1'])
})

t.test('where localities do not count, all endpoints are alike', async t => {
  const { cluster } = world({ 'eu/a/1': [1, 1], 'us/a/1': [3, 3] }, locality({ enabled: false }))
  const found = percents(() => cluster.pick())
  t.ok(Math.abs((found['us/a/1'] ?? 0) - 75) < 2, `${found['us/a/1']}`)
})

t.test(
  'shares that a rule distributes hold whatever the number of endpoints, and shrink with their health',
  async t => {
    const to = { 'eu/a/1': 20, 'us/a/1': 80 }
    const settings = locality({ distribute: [{ from: 'eu/*', to }] })
    const rows: readonly (readonly [Spread, Readonly<Record<string, number>>])[] = [
      [{ 'eu/a/1': [8, 8], 'us/a/1': [2, 2], 'ap/a/1': [5, 5] }, to],
      [{ 'eu/a/1': [8, 6], 'us/a/1': [2, 2] }, to],
      [{ 'eu/a/1': [4, 3], 'us/a/1': [16, 16] }, to],
      [
        { 'eu/a/1': [8, 8], 'us/a/1': [4, 1] },
        { 'eu/a/1': (20 * 100) / 48, 'us/a/1': (28 * 100) / 48 },
      ],
      [{ 'eu/a/1': [8, 8], 'us/a/1': [2, 0] }, { 'eu/a/1': 100 }],
    ]
    for (const [spread, expected] of rows) {
      const { cluster } = world(spread, settings)
      const found = percents(() => cluster.pick())
      t.strictSame(Object.keys(found).sort(), Object.keys(expected).sort(), JSON.stringify(spread))
      for (const [place, percent] of Object.entries(expected)) {
        t.ok(Math.abs((found[place] ?? 0) - percent) < 2, `${place}: ${found[place]} for ${percent}`)
      }
    }
  },
)

t.test('a key keeps its priority, its locality and its endpoint', async t => {
  const key = { kind: 'source-ip' } as const
  const ring = { balancer: { kind: 'ring-hash', minimumRingSize: 1024, key } } as const
  const distribute = [{ from: 'eu/*', to: { 'eu/a/1': 50, 'us/a/1': 50 } }]
  for (const settings of [ring, { ...ring, ...locality({ distribute }) }]) {
    const { cluster } = world({ 'eu/a/1': [10, 5], 'us/a/1': [10, 5] }, settings)
    const places = () =>
      Array.from({ length: 500 }, (_, user) => cluster.pick({ hash: hash53(`${user}`), tried: undefined }))
    const before = places()
    t.strictSame(
      places().map(endpoint => endpoint?.key),
      before.map(endpoint => endpoint?.key),
    )
    const near = before.filter(endpoint => endpoint?.key.startsWith('eu/')).length
    t.ok(near > 150 && near < 400, `${near} of 500 keys went to the near locality`)
  }
})

t.test('below minHealthPercent health is not looked at, only endpoints that drain are still left alone', async t => {
  const settings = { outlier: outlierSettings({ minHealthPercent: 50 }) }
  const { cluster } = world({ 'eu/a/1': [10, 4] }, settings)
  t.equal(countPicks(() => cluster.pick(), 10_000).size, 10)
  t.equal(world({ 'eu/a/1': [10, 5] }, settings).cluster.available, 5)
  t.equal(world({ 'eu/a/1': [10, 0] }, settings).cluster.available, 10)
  t.equal(world({ 'eu/a/1': [10, 0] }, settings, 'draining').cluster.available, 0)
})

t.test('while another priority can carry the traffic there is no panic', async t => {
  const settings = { outlier: outlierSettings({ minHealthPercent: 50 }) }
  const { cluster } = world({ 'eu/a/1': [4, 0], 'us/a/1': [2, 2] }, settings)
  t.strictSame(Object.keys(percents(() => cluster.pick())), ['us/a/1'])
})

t.test('a priority in panic gets the traffic that its healthy endpoints could carry', async t => {
  const { cluster } = world(
    { 'eu/a/1': [20, 1], 'us/a/1': [20, 13] },
    { outlier: outlierSettings({ minHealthPercent: 50 }) },
  )
  const found = percents(() => cluster.pick())
  t.ok(Math.abs((found['eu/a/1'] ?? 0) - 7) < 1, `${found['eu/a/1']}`)
  t.equal(cluster.available, 33, 'all near endpoints and the healthy far ones')
})

t.test('in panic too an endpoint that could not be reached lately is passed over', async t => {
  const { cluster, endpoints } = world({ 'eu/a/1': [4, 0] }, { outlier: outlierSettings({ minHealthPercent: 50 }) })
  const [failed] = endpoints
  if (failed === undefined) return t.fail()
  cluster.report(failed, 'connect-failure')
  t.equal(cluster.available, 3)
})

t.test('near endpoints that could not be reached let far ones step in', async t => {
  const { cluster, endpoints, clock } = world({ 'eu/a/1': [2, 2], 'us/a/1': [1, 1] })
  for (const endpoint of endpoints.slice(0, 2)) cluster.report(endpoint, 'connect-failure')
  t.strictSame([...countPicks(() => cluster.pick(), 100).keys()], ['us/a/1#0'])
  const [, , far] = endpoints
  if (far === undefined) return t.fail()
  cluster.report(far, 'connect-failure')
  t.strictSame(
    Object.keys(percents(() => cluster.pick())),
    ['eu/a/1'],
    'when all have failed the nearest are tried again',
  )
  await clock.advance(10_000)
  t.ok(cluster.available > 0)
})

const zoneAware = locality({ zoneAware: { minClusterSize: 6 } })

t.test('a zone keeps what its endpoints can carry of its own calls, and sends the rest to where there is more', t => {
  const rows: readonly (readonly [Spread, Readonly<Record<string, number>>, Readonly<Record<string, number>>])[] = [
    [{ 'eu/a/1': [5, 5], 'eu/b/1': [5, 5] }, { 'eu/a/1': 1, 'eu/b/1': 1 }, { 'eu/a/1': 100 }],
    [
      { 'eu/a/1': [3, 3], 'eu/b/1': [6, 6] },
      { 'eu/a/1': 2, 'eu/b/1': 1 },
      { 'eu/a/1': 50, 'eu/b/1': 50 },
    ],
    [
      { 'eu/a/1': [2, 2], 'eu/b/1': [4, 4], 'eu/c/1': [4, 4] },
      { 'eu/a/1': 4, 'eu/b/1': 3, 'eu/c/1': 3 },
      { 'eu/a/1': 50, 'eu/b/1': 25, 'eu/c/1': 25 },
    ],
    // callers of a place without endpoints need some too
    [
      { 'eu/a/1': [5, 5], 'eu/b/1': [5, 5] },
      { 'eu/a/1': 3, 'eu/c/1': 1 },
      { 'eu/a/1': 66.7, 'eu/b/1': 33.3 },
    ],
    // an endpoint that is out of use carries nothing
    [
      { 'eu/a/1': [6, 3], 'eu/b/1': [6, 6] },
      { 'eu/a/1': 1, 'eu/b/1': 1 },
      { 'eu/a/1': 66.7, 'eu/b/1': 33.3 },
    ],
    [{ 'eu/a/1': [6, 0], 'eu/b/1': [6, 6] }, { 'eu/a/1': 1, 'eu/b/1': 1 }, { 'eu/b/1': 100 }],
    // too few endpoints, or nobody who is known to call from here: zones do not count
    [
      { 'eu/a/1': [2, 2], 'eu/b/1': [3, 3] },
      { 'eu/a/1': 1, 'eu/b/1': 1 },
      { 'eu/a/1': 40, 'eu/b/1': 60 },
    ],
    [{ 'eu/a/1': [4, 4], 'eu/b/1': [4, 4] }, { 'eu/b/1': 1 }, { 'eu/a/1': 50, 'eu/b/1': 50 }],
    // other regions are called only when this one cannot carry the traffic
    [{ 'eu/a/1': [5, 5], 'eu/b/1': [5, 5], 'us/a/1': [9, 9] }, { 'eu/a/1': 1, 'eu/b/1': 1 }, { 'eu/a/1': 100 }],
  ]
  for (const [spread, callers, expected] of rows) {
    const { cluster, endpoints } = world(spread, zoneAware)
    cluster.update(endpoints, { ...client, callers: new Map(Object.entries(callers)) })
    const found = percents(() => cluster.pick())
    t.strictSame(Object.keys(found).sort(), Object.keys(expected).sort(), JSON.stringify([spread, callers]))
    for (const [place, percent] of Object.entries(expected)) {
      const got = found[place] ?? 0
      if (Math.abs(got - percent) > 2) t.fail(`${JSON.stringify([spread, callers])} ${place}: ${got} for ${percent}`)
    }
  }
  t.end()
})

t.test('without knowing who calls from where all zones of a region are one', t => {
  const { cluster } = world({ 'eu/a/1': [3, 3], 'eu/b/1': [6, 6], 'us/a/1': [9, 9] }, zoneAware)
  const found = percents(() => cluster.pick())
  t.strictSame(Object.keys(found).sort(), ['eu/a/1', 'eu/b/1'])
  t.ok(Math.abs((found['eu/b/1'] ?? 0) - 66.7) < 2)
  t.end()
})

t.test('a retry that leaves priorities goes to the next one, and anywhere when all were tried', async t => {
  const { cluster } = world({ 'eu/a/1': [4, 4], 'us/a/1': [4, 4] })
  const first = cluster.pick()
  const leaving = new Set(first === undefined ? [] : [first])
  t.strictSame(Object.keys(percents(() => cluster.pick({ hash: undefined, tried: undefined, leaving }))), ['us/a/1'])
  const second = cluster.pick({ hash: undefined, tried: undefined, leaving })
  if (second !== undefined) leaving.add(second)
  t.strictSame(Object.keys(percents(() => cluster.pick({ hash: undefined, tried: leaving, leaving }))), ['eu/a/1'])
})
