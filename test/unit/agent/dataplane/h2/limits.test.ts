import t from 'tap'
import { countingWindowMs, EventLimit } from '../../../../../agent/dataplane/h2/limits.ts'

t.test('is exceeded by one event too many in a window', async t => {
  const limit = new EventLimit(3, () => 0)
  t.strictSame(
    [1, 2, 3, 4].map(() => limit.exceeded()),
    [false, false, false, true],
  )
})

t.test('begins anew when the window has passed', async t => {
  let now = 0
  const limit = new EventLimit(3, () => now)
  for (let round = 0; round < 5; round += 1) {
    for (let event = 0; event < 3; event += 1) t.equal(limit.exceeded(), false)
    now += countingWindowMs + 1
  }
})

t.test('does not read the clock below its limit', async t => {
  let reads = 0
  const limit = new EventLimit(1000, () => {
    reads += 1
    return 0
  })
  for (let event = 0; event < 1000; event += 1) limit.exceeded()
  t.equal(reads, 1, 'only at the start')
})

t.test('can be credited, but not in advance', async t => {
  const limit = new EventLimit(2, () => 0)
  limit.credit(100)
  t.equal(limit.exceeded(), false)
  t.equal(limit.exceeded(), false)
  limit.credit(1)
  t.equal(limit.exceeded(), false)
  t.equal(limit.exceeded(), true)
})
