import t from 'tap'
import { createRestarts } from '../../../../registry-adapters/consul/restarts.ts'
import { FakeClock } from '../../../fakes/clock.ts'

const { signal } = new AbortController()

t.test('a restart ends what is under way, and nothing that begins later', async t => {
  const restarts = createRestarts(0, new FakeClock())
  const before = restarts.turn(signal)
  const over = restarts.turn(signal)
  over.end()
  restarts.restart()
  t.ok(before.signal.aborted)
  t.notOk(over.signal.aborted)
  t.notOk(restarts.turn(signal).signal.aborted)
})

t.test('a turn ends with the signal it was given', async t => {
  const controller = new AbortController()
  const turn = createRestarts(0, new FakeClock()).turn(controller.signal)
  controller.abort()
  t.ok(turn.signal.aborted)
})

t.test('restarts that may wait are an interval apart, and none is forgotten', async t => {
  const clock = new FakeClock()
  let count = 0
  const restarts = createRestarts(60_000, clock, () => {
    count += 1
  })
  restarts.restartSoon()
  t.equal(count, 1, 'the first at once')
  for (let times = 0; times < 5; times += 1) restarts.restartSoon()
  t.equal(count, 1)
  await clock.advance(60_000)
  t.equal(count, 2, 'and one for all that were asked for meanwhile')
  await clock.advance(120_000)
  t.equal(count, 2)
})

t.test('a restart that may not wait is one at once, and for those that may', async t => {
  const clock = new FakeClock()
  let count = 0
  const restarts = createRestarts(60_000, clock, () => {
    count += 1
  })
  restarts.restartSoon()
  restarts.restartSoon()
  await clock.advance(10_000)
  restarts.restart()
  t.equal(count, 2)
  await clock.advance(59_000)
  t.equal(count, 2)
  restarts.restartSoon()
  restarts.stop()
  t.equal(clock.pending, 0)
})
