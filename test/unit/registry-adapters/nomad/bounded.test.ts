import t from 'tap'
import { allEnded, mapBounded } from '../../../../registry-adapters/nomad/bounded.ts'
import { createWake } from '../../../../registry-adapters/nomad/wake.ts'
import { FakeClock } from '../../../fakes/clock.ts'

const { signal } = new AbortController()
const turn = () => new Promise(resolve => setImmediate(resolve))

t.test('results come in the order of the items, and no more than so many are under way', async t => {
  let open = 0
  let most = 0
  const results = await mapBounded(
    [5, 1, 4, 2, 3],
    2,
    async item => {
      open += 1
      most = Math.max(most, open)
      for (let turns = 0; turns < item; turns += 1) await turn()
      open -= 1
      return item * 10
    },
    signal,
  )
  t.same(results, [50, 10, 40, 20, 30])
  t.equal(most, 2)
  t.same(await mapBounded([], 2, async () => 1, signal), [])
})

t.test('the first failure ends the others and is thrown', async t => {
  const failure = new Error('first')
  const started: number[] = []
  const work = async (item: number, ends: AbortSignal) => {
    started.push(item)
    if (item === 2) throw failure
    await new Promise((_, reject) => ends.addEventListener('abort', () => reject(ends.reason)))
  }
  await t.rejects(mapBounded([1, 2, 3, 4], 2, work, signal), failure)
  t.same(started, [1, 2])
})

t.test('an abort ends all with its reason', async t => {
  const controller = new AbortController()
  const reason = new Error('enough')
  const work = (_: number, ends: AbortSignal) =>
    new Promise<void>((_resolve, reject) => ends.addEventListener('abort', () => reject(ends.reason)))
  const ended = mapBounded([1, 2, 3], 2, work, controller.signal)
  controller.abort(reason)
  await t.rejects(ended, reason)
  await t.rejects(
    mapBounded([1], 2, async () => 1, controller.signal),
    reason,
  )
})

t.test('all tasks are over before the first failure is thrown', async t => {
  let over = false
  const slow = async () => {
    await turn()
    over = true
  }
  await t.rejects(allEnded([Promise.reject(new Error('early')), slow()]), /early/)
  t.ok(over)
})

t.test('a wait ends when woken, also before it began, in time, and by the signal', async t => {
  const clock = new FakeClock()
  const wake = createWake(clock)
  const controller = new AbortController()
  wake.wake()
  await wake.wait(Number.POSITIVE_INFINITY, controller.signal)
  const woken = wake.wait(Number.POSITIVE_INFINITY, controller.signal)
  wake.wake()
  await woken
  const timed = wake.wait(100, controller.signal)
  await clock.advance(100)
  await timed
  const aborted = wake.wait(Number.POSITIVE_INFINITY, controller.signal)
  controller.abort()
  await aborted
  await wake.wait(Number.POSITIVE_INFINITY, controller.signal)
  t.equal(clock.pending, 0)
})
