import t from 'tap'
import { createReadQueue } from '../../../../registry-adapters/consul/read-queue.ts'
import { createSweep } from '../../../../registry-adapters/consul/sweep.ts'
import { FakeClock } from '../../../fakes/clock.ts'

t.test('urgent names go first, each name is queued once', async t => {
  const queue = createReadQueue()
  queue.later(['a', 'b', 'c'])
  queue.urgent(['c', 'x'])
  queue.later(['x', 'a'])
  t.same(queue.take(10, true), ['c', 'x'])
  t.same(queue.take(10, false), [], 'the sweep has to be allowed')
  t.same(queue.take(1, true), ['a'])
  t.same(queue.take(10, true), ['b'])
})

t.test('postponed names wait until they are revived, and are forgotten with their service', async t => {
  const queue = createReadQueue()
  queue.postpone(['a', 'b'])
  t.same(queue.take(10, true), [])
  queue.retain(new Set(['b']))
  queue.revive()
  t.same(queue.take(10, true), ['b'])
  t.equal(queue.postponedCount, 0)
})

t.test('a waiting reader is woken by names, and by an abort', async t => {
  const queue = createReadQueue()
  const woken = queue.changed(new AbortController().signal)
  queue.urgent(['a'])
  await woken
  const controller = new AbortController()
  const aborted = queue.changed(controller.signal)
  controller.abort()
  await aborted
  await queue.changed(controller.signal)
  t.equal(queue.urgentCount, 1)
})

t.test('a sweep goes on to its end, the next one waits four times as long as it took', async t => {
  const clock = new FakeClock()
  const queue = createReadQueue()
  const sweep = createSweep(1_000, clock)
  const names = Array.from({ length: 100 }, (_, at) => `s${at}`)
  queue.later(names)
  t.equal(sweep.take(queue).length, 64)
  await clock.advance(3_000)
  sweep.batchDone(queue)
  queue.urgent(['hot'])
  t.same(sweep.take(queue), ['hot'], 'urgent names come in between')
  sweep.batchDone(queue)
  t.equal(sweep.take(queue).length, 36)
  await clock.advance(2_000)
  sweep.batchDone(queue)
  queue.later(names)
  t.same(sweep.take(queue), [])
  t.equal(sweep.opensAt - clock.monotonic(), 20_000)
  await clock.advance(20_000)
  t.equal(sweep.take(queue).length, 64)
})
