import t from 'tap'
import { Maglev } from '../../../../../../agent/dataplane/upstream/balancers/maglev.ts'
import { RingHash } from '../../../../../../agent/dataplane/upstream/balancers/ring-hash.ts'
import type { ClusterEndpoint } from '../../../../../../agent/dataplane/upstream/endpoint.ts'
import { hash53 } from '../../../../../../agent/dataplane/upstream/hash.ts'
import { clusterEndpoint, clusterEndpoints, countPicks, seededRandom } from '../../../../../support/cluster.ts'

const keys = Array.from({ length: 20_000 }, (_, index) => hash53(`user-${index}`))
const kinds = {
  ring: () => new RingHash<ClusterEndpoint>(1024, seededRandom(7)),
  maglev: () => new Maglev<ClusterEndpoint>(65_537, seededRandom(7)),
}

/** Where every key leads, by the endpoint's key. */
function placements(kind: keyof typeof kinds, members: readonly ClusterEndpoint[], usable = members): string[] {
  const balancer = kinds[kind]()
  balancer.update(members, usable)
  return keys.map(hash => balancer.pick(hash)?.key ?? 'none')
}

function movedShare(before: readonly string[], after: readonly string[]): number {
  return before.filter((key, index) => key !== after[index]).length / before.length
}

const without = (members: readonly ClusterEndpoint[], index: number) => members.filter((_, at) => at !== index)

for (const kind of ['ring', 'maglev'] as const) {
  t.test(`${kind}: a key always leads to the same endpoint, whatever order endpoints are learnt in`, async t => {
    const members = clusterEndpoints(10)
    t.strictSame(placements(kind, members), placements(kind, members.toReversed()))
  })

  t.test(`${kind}: there is nothing to pick from nothing`, async t => {
    const balancer = kinds[kind]()
    t.equal(balancer.pick(1), undefined)
    balancer.update([], [])
    t.equal(balancer.pick(1), undefined)
    balancer.update(clusterEndpoints(3), [])
    t.equal(balancer.pick(undefined), undefined)
  })

  t.test(`${kind}: a member that may not be chosen loses its keys, and no other key moves`, async t => {
    const members = clusterEndpoints(10)
    const before = placements(kind, members)
    const after = placements(kind, members, without(members, 3))
    const gone = members[3]?.key
    t.notOk(after.includes(gone ?? ''))
    t.ok(before.every((key, index) => key === gone || key === after[index]))
    const heirs = new Set(after.filter((_, index) => before[index] === gone))
    t.equal(heirs.size, 9, 'its keys are spread over all others')
  })

  t.test(`${kind}: finds the one of a thousand that may be chosen`, async t => {
    const members = clusterEndpoints(1000)
    const last = members.slice(999)
    t.strictSame([...new Set(placements(kind, members, last).slice(0, 200))], [last[0]?.key])
  })

  t.test(`${kind}: updates lead to the same places as beginning with what is there now`, async t => {
    const balancer = kinds[kind]()
    const random = seededRandom(11)
    const pool = clusterEndpoints(40)
    for (let round = 0; round < 30; round += 1) {
      const members = pool.filter(() => random() < 0.5)
      balancer.update(members, members)
      const found = keys.slice(0, 500).map(hash => balancer.pick(hash)?.key ?? 'none')
      t.strictSame(found, placements(kind, members).slice(0, 500), `round ${round}`)
    }
  })

  t.test(`${kind}: an address that is listed twice is one member, and usable when one of its entries is`, async t => {
    const members = clusterEndpoints(3)
    const [first] = members
    if (first === undefined) return t.fail()
    const twice = [...members, { ...first }]
    t.strictSame(placements(kind, twice), placements(kind, members))
    t.strictSame([...new Set(placements(kind, twice, twice.slice(3)))], [first.key])
    const balancer = kinds[kind]()
    for (const usable of [[first], twice.slice(3)]) {
      balancer.update(twice, usable)
      t.equal(balancer.pick(undefined), usable[0])
    }
  })

  t.test(`${kind}: without a hash any endpoint is chosen`, async t => {
    const balancer = kinds[kind]()
    const members = clusterEndpoints(4)
    balancer.update(members, members)
    const counts = countPicks(() => balancer.pick(undefined), 4000)
    for (const { key } of members) t.ok((counts.get(key) ?? 0) > 700, `${key}: ${counts.get(key)}`)
  })
}

t.test(
  'ring: when one of n endpoints leaves, at most 1.5/n of the keys move, 3/n where rings are shortened',
  async t => {
    for (const count of [2, 3, 10, 50, 100, 128, 300]) {
      const members = clusterEndpoints(count)
      const moved = movedShare(placements('ring', members), placements('ring', without(members, 1)))
      t.ok(moved <= (count <= 128 ? 1.5 : 3) / count, `${moved} of the keys with ${count} endpoints`)
      t.ok(moved >= 0.5 / count, 'and not none')
    }
  },
)

t.test('ring: keys are shared out by weight', async t => {
  const members = [clusterEndpoint('10.0.0.1:80', { weight: 3 }), clusterEndpoint('10.0.0.2:80', { weight: 1 })]
  const share = placements('ring', members).filter(key => key === '10.0.0.1:80').length / keys.length
  t.ok(share > 0.7 && share < 0.8, `${share}`)
})

t.test('ring: is at least as large as it has to be, also where members are few, many or of unequal weight', async t => {
  for (const minimum of [1, 1024, 50_000, 300_000]) {
    for (const count of [1, 3, 200]) {
      const balancer = new RingHash<ClusterEndpoint>(minimum, seededRandom(1))
      const members = clusterEndpoints(count, index => ({ weight: 1 + (index % 5) }))
      balancer.update(members, members)
      t.ok(balancer.size >= minimum, `${balancer.size} for ${minimum} with ${count} endpoints`)
    }
  }
})

t.test('maglev: keys are shared out by weight within 2 %', async t => {
  const members = [1, 2, 3, 4].map(weight => clusterEndpoint(`10.0.0.${weight}:80`, { weight }))
  const found = placements('maglev', members)
  for (const { key, weight } of members) {
    const share = found.filter(one => one === key).length / keys.length
    t.ok(Math.abs(share - weight / 10) < 0.02, `${key}: ${share}`)
  }
})

t.test('maglev: every member has a slot while there are as many slots, however light it is', async t => {
  const members = clusterEndpoints(50, index => ({ weight: index === 0 ? 1_000_000 : 1 }))
  const balancer = new Maglev<ClusterEndpoint>(65_537, seededRandom(1))
  balancer.update(members, members)
  const found = new Set<string>()
  for (let slot = 0; slot < 65_537; slot += 1) found.add(balancer.pick(slot * 2 ** 21)?.key ?? '')
  t.equal(found.size, 50)
})

t.test('maglev: a leaving endpoint moves less than 1 % of the keys beyond its own', async t => {
  for (const count of [3, 10, 50]) {
    const members = clusterEndpoints(count)
    const before = placements('maglev', members)
    const after = placements('maglev', without(members, 1))
    const excess = before.filter((key, index) => key !== members[1]?.key && key !== after[index]).length / keys.length
    t.ok(excess < 0.01, `${excess} of the keys with ${count} endpoints`)
  }
})

t.test('maglev: finds the one that may be chosen even where it has no slot', async t => {
  const members = clusterEndpoints(20)
  const balancer = new Maglev<ClusterEndpoint>(5, seededRandom(1))
  for (const member of members) {
    balancer.update(members, [member])
    t.equal(balancer.pick(3), member)
  }
})

t.test('maglev: a size that is not prime is raised to one that is', async t => {
  const members = clusterEndpoints(3)
  for (const [asked, used] of [
    [65_537, 65_537],
    [1024, 1031],
    [1, 2],
  ] as const) {
    const balancer = new Maglev<ClusterEndpoint>(asked, seededRandom(1))
    balancer.update(members, members)
    t.equal(balancer.size, used)
    t.ok(balancer.pick(5))
  }
})
