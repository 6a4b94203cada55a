import t from 'tap'
import type { RegistryPart } from '../../../server/registry-parts.ts'
import { moveShare, percentOf, sharesByRule } from '../../../server/traffic-shares.ts'
import { service } from '../../support/catalogue.ts'

const part = (registry: string, weight: number): RegistryPart => {
  return { registry, service: service('api'), healthy: 1, weight }
}
const shares = (record: Readonly<Record<string, number>>) => new Map(Object.entries(record))
const plain = (map: ReadonlyMap<string, number> | undefined) => map && Object.fromEntries(map)

t.test(
  'without a rule the first registry has everything, with prefer the preferred one that knows the service',
  async t => {
    const parts = [part('files', 1), part('consul', 1)]
    t.same(plain(sharesByRule({ kind: 'error' }, parts)), { files: 100, consul: 0 })
    t.same(plain(sharesByRule({ kind: 'prefer', registry: 'consul' }, parts)), { files: 0, consul: 100 })
    t.same(plain(sharesByRule({ kind: 'prefer', registry: 'nomad' }, parts)), { files: 100, consul: 0 })
  },
)

t.test('a union without weights shares by those of the endpoints, in whole percents that add up', async t => {
  const rule = { kind: 'union' } as const
  t.same(plain(sharesByRule(rule, [part('a', 3), part('b', 1)])), { a: 75, b: 25 })
  t.same(plain(sharesByRule(rule, [part('a', 1), part('b', 1), part('c', 1)])), { a: 34, b: 33, c: 33 })
  t.same(plain(sharesByRule(rule, [part('a', 0), part('b', 0)])), { a: 0, b: 0 })
})

t.test('a union with weights has them, 0 for a registry that is not named, and keeps those of absent ones', async t => {
  const rule = { kind: 'union', weights: shares({ a: 90, later: 10 }) } as const
  t.same(plain(sharesByRule(rule, [part('a', 1), part('b', 1)])), { a: 90, b: 0, later: 10 })
})

t.test('a step moves percents of all traffic, and in the end what is left', async t => {
  const step = { kind: 'by', percent: 40 } as const
  const first = moveShare(shares({ consul: 100, nomad: 0 }), 'consul', 'nomad', step)
  t.same(plain(first), { consul: 60, nomad: 40 })
  const second = moveShare(first ?? new Map(), 'consul', 'nomad', step)
  t.same(plain(second), { consul: 20, nomad: 80 })
  t.same(plain(moveShare(second ?? new Map(), 'consul', 'nomad', step)), { consul: 0, nomad: 100 })
})

t.test('others keep exactly what they have', async t => {
  const before = shares({ a: 1, b: 1, c: 1 })
  const after = moveShare(before, 'a', 'b', { kind: 'by', percent: 10 }) ?? new Map()
  t.same(plain(after), { a: 7, b: 13, c: 10 })
  t.equal(percentOf(after, 'c'), percentOf(before, 'c'))
  t.equal(Math.round(percentOf(after, 'b') - percentOf(before, 'b')), 10)
  const tiny = moveShare(shares({ a: 999, b: 0, c: 1 }), 'a', 'b', { kind: 'by', percent: 10 }) ?? new Map()
  t.equal(percentOf(tiny, 'c'), 0.1)
})

t.test('a share can be said outright, also a smaller one, but not more than both have', async t => {
  const before = shares({ consul: 50, nomad: 30, files: 20 })
  t.same(plain(moveShare(before, 'consul', 'nomad', { kind: 'to', percent: 80 })), { consul: 0, nomad: 80, files: 20 })
  t.same(plain(moveShare(before, 'consul', 'nomad', { kind: 'to', percent: 0 })), { consul: 80, nomad: 0, files: 20 })
  t.equal(moveShare(before, 'consul', 'nomad', { kind: 'to', percent: 81 }), undefined)
})

t.test('weights never outgrow what a resource may carry, however often one steps', async t => {
  let at = shares({ a: 999_983, b: 3, c: 14 })
  for (let step = 0; step < 20; step += 1) {
    at = new Map(moveShare(at, step % 2 === 0 ? 'a' : 'b', step % 2 === 0 ? 'b' : 'a', { kind: 'by', percent: 7 }))
    t.ok([...at.values()].every(weight => Number.isSafeInteger(weight) && weight >= 0 && weight <= 1_000_000))
  }
})
