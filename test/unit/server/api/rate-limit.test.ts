import t from 'tap'
import { createRateLimit } from '../../../../server/api/rate-limit.ts'
import { FakeClock } from '../../../fakes/clock.ts'

const many = (count: number, take: () => boolean) => Array.from({ length: count }, take).filter(Boolean).length

t.test('each source has its share, and it comes back with time', async t => {
  const clock = new FakeClock()
  const limit = createRateLimit(clock, { perSecond: 10, maxSources: 100 })
  t.equal(
    many(50, () => limit.take('192.0.2.1')),
    10,
  )
  t.equal(
    many(50, () => limit.take('192.0.2.2')),
    10,
    'another source is not held up',
  )
  await clock.advance(500)
  t.equal(
    many(50, () => limit.take('192.0.2.1')),
    5,
  )
  await clock.advance(3_600_000)
  t.equal(
    many(50, () => limit.take('192.0.2.1')),
    10,
    'a long pause gives no more than one second does',
  )
})

t.test('a source that never stops trying still gets its share', async t => {
  const clock = new FakeClock()
  const limit = createRateLimit(clock, { perSecond: 10, maxSources: 100 })
  let taken = 0
  for (let at = 0; at < 1000; at += 1) {
    if (limit.take('192.0.2.1')) taken += 1
    await clock.advance(5)
  }
  t.ok(taken >= 55 && taken <= 60, String(taken))
})

t.test('an IPv4 address is one source however it is written, a /64 of IPv6 too', async t => {
  const limit = createRateLimit(new FakeClock(), { perSecond: 1, maxSources: 100 })
  t.ok(limit.take('192.0.2.1'))
  t.notOk(limit.take('::ffff:192.0.2.1'))
  t.ok(limit.take('2001:db8:1:2::1'))
  t.notOk(limit.take('2001:db8:1:2:ffff::9'))
  t.ok(limit.take('2001:db8:1:3::1'))
  t.ok(limit.take('::1'))
  t.notOk(limit.take('::1'))
})

t.test('memory is bounded, and who was quiet longest is forgotten first', async t => {
  const limit = createRateLimit(new FakeClock(), { perSecond: 1, maxSources: 3 })
  for (const source of ['a', 'b', 'c']) t.ok(limit.take(source))
  t.notOk(limit.take('a'), 'a is the newest again')
  t.ok(limit.take('d'))
  t.equal(limit.sources, 3)
  t.notOk(limit.take('a'), 'still remembered')
  t.ok(limit.take('b'), 'forgotten')
  for (let at = 0; at < 10_000; at += 1) limit.take(`198.51.100.${at}`)
  t.equal(limit.sources, 3)
})
