import t from 'tap'
import { Schedule } from '../../../../../../agent/dataplane/upstream/balancers/schedule.ts'
import {
  aCluster,
  clusterEndpoint,
  clusterEndpoints,
  countPicks,
  seededRandom,
} from '../../../../../support/cluster.ts'

const kinds = ['least-request', 'round-robin', 'random'] as const
const picks = 100_000

for (const kind of kinds) {
  const balancer = { kind, warmup: undefined }

  t.test(`${kind}: endpoints get traffic by weight within 2 % of all`, async t => {
    const tables = [
      [1, 1, 1, 1],
      [9, 1],
      [1, 2, 3, 4],
      [100, 1, 1, 100, 0.5],
    ]
    for (const weights of tables) {
      const endpoints = clusterEndpoints(weights.length, index => ({ weight: weights[index] ?? 1 }))
      const { cluster } = aCluster({ balancer }, endpoints)
      const counts = countPicks(() => cluster.pick(), picks)
      const total = weights.reduce((sum, weight) => sum + weight, 0)
      for (const { key, weight } of endpoints) {
        const share = (counts.get(key) ?? 0) / picks
        t.ok(Math.abs(share - weight / total) < 0.02, `${share} for ${weight} of ${total}`)
      }
    }
  })

  t.test(`${kind}: a thousand endpoints all get their turn`, async t => {
    const { cluster } = aCluster({ balancer }, clusterEndpoints(1000))
    const counts = countPicks(() => cluster.pick(), picks)
    t.equal(counts.size, 1000)
    // A hundred turns each; six standard deviations of a fair draw.
    for (const count of counts.values()) if (Math.abs(count - 100) > 60) t.fail(`${count} of ${picks}`)
  })
}

t.test('round robin: each endpoint has its turn before any has another', async t => {
  const { cluster } = aCluster({ balancer: { kind: 'round-robin', warmup: undefined } }, clusterEndpoints(7))
  const order = Array.from({ length: 21 }, () => cluster.pick()?.key)
  t.equal(new Set(order.slice(0, 7)).size, 7)
  t.strictSame(order.slice(7, 14), order.slice(0, 7))
  t.strictSame(order.slice(14), order.slice(0, 7))
})

t.test('round robin: callers begin anywhere', async t => {
  const firsts = new Set<string | undefined>()
  const weightedFirsts = new Set<string | undefined>()
  for (let seed = 0; seed < 50; seed += 1) {
    const { cluster } = aCluster({ balancer: { kind: 'round-robin', warmup: undefined } }, clusterEndpoints(5), {
      seed,
    })
    firsts.add(cluster.pick()?.key)
    const unequal = clusterEndpoints(5, index => ({ weight: index === 0 ? 2 : 1 }))
    const other = aCluster({ balancer: { kind: 'round-robin', warmup: undefined } }, unequal, { seed })
    weightedFirsts.add(other.cluster.pick()?.key)
  }
  t.equal(firsts.size, 5)
  t.equal(weightedFirsts.size, 5)
})

t.test('round robin: turns of the heavier are spread out between those of the lighter', async t => {
  const endpoints = [clusterEndpoint('heavy', { weight: 4 }), clusterEndpoint('a'), clusterEndpoint('b')]
  const { cluster } = aCluster({ balancer: { kind: 'round-robin', warmup: undefined } }, endpoints)
  let run = 0
  let longest = 0
  for (let pick = 0; pick < 600; pick += 1) {
    run = cluster.pick()?.key === 'heavy' ? run + 1 : 0
    longest = Math.max(longest, run)
  }
  t.ok(longest <= 4, `${longest} turns in a row`)
})

t.test('least request: of two endpoints the less busy is always chosen', async t => {
  const [busy, idle] = [clusterEndpoint('busy'), clusterEndpoint('idle')]
  busy.state.begin()
  const { cluster } = aCluster({}, [busy, idle])
  t.strictSame([...countPicks(() => cluster.pick(), 1000).keys()], ['idle'])
})

t.test('least request: the busiest of many equal endpoints is left alone', async t => {
  const endpoints = clusterEndpoints(10)
  for (const [index, { state }] of endpoints.entries()) state.active = index === 4 ? 100 : index
  const { cluster } = aCluster({}, endpoints)
  const counts = countPicks(() => cluster.pick(), 10_000)
  t.equal(counts.get(endpoints[4]?.key ?? ''), undefined)
  t.ok((counts.get(endpoints[0]?.key ?? '') ?? 0) > 1700, 'the idlest wins every draw that it is in')
})

t.test('least request: among unequal weights load counts against weight', async t => {
  const [loaded, light] = [clusterEndpoint('loaded', { weight: 4 }), clusterEndpoint('light')]
  const { cluster } = aCluster({}, [loaded, light])
  for (let request = 0; request < 7; request += 1) loaded.state.begin()
  const counts = countPicks(() => cluster.pick(), 3000)
  t.ok(Math.abs((counts.get('loaded') ?? 0) - 1000) < 10, `${counts.get('loaded')}: 4 / (7 + 1) against 1`)
})

t.test('least request: requests that take longer at one endpoint go to the others', async t => {
  const endpoints = clusterEndpoints(3)
  const { cluster } = aCluster({}, endpoints)
  const open: (() => void)[] = []
  const counts = countPicks(index => {
    const endpoint = cluster.pick()
    endpoint?.state.begin()
    const end = () => endpoint?.state.end()
    // The first endpoint answers after 100 further requests, the others after two.
    const due = index + (endpoint === endpoints[0] ? 100 : 2)
    const before = open[due]
    open[due] = () => {
      before?.()
      end()
    }
    open[index]?.()
    return endpoint
  }, 10_000)
  const slow = (counts.get(endpoints[0]?.key ?? '') ?? 0) / 10_000
  t.ok(slow < 0.05, `${slow} of the requests went to the slow one`)
})

t.test('a schedule without entries has no turns', async t => {
  const schedule = new Schedule<number>(() => 1)
  t.equal(schedule.next(), undefined)
  schedule.reset([1, 2], seededRandom(1))
  schedule.reset([], seededRandom(1))
  t.equal(schedule.next(), undefined)
})
