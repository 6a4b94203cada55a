import t from 'tap'
import { clampTimerMs, maxTimerMs, sleep, systemClock } from '../../../../mesh/std/clock.ts'
import { FakeClock } from '../../../fakes/clock.ts'
import { until } from '../../../support/eventually.ts'

t.test('delays stay within what a timer can hold', async t => {
  t.equal(clampTimerMs(30 * 86_400_000), maxTimerMs, 'thirty days would fire at once')
  t.equal(clampTimerMs(-5), 0)
  t.equal(clampTimerMs(Number.NaN), 0)
  t.equal(clampTimerMs(Number.POSITIVE_INFINITY), maxTimerMs)
  t.equal(clampTimerMs(1500), 1500)
})

t.test('a timer of thirty days does not fire at once', async t => {
  let fired = false
  const timer = systemClock.timer(30 * 86_400_000, () => {
    fired = true
  })
  let later = false
  systemClock.timer(20, () => {
    later = true
  })
  await until('a short timer has fired', () => later)
  timer.cancel()
  timer.cancel()
  t.notOk(fired)
})

t.test('sleeps as long as told, or until the signal aborts, without an error', async t => {
  const clock = new FakeClock()
  let woke = 0
  const stop = new AbortController()
  const sleeping = [sleep(clock, 100, stop.signal), sleep(clock, 1_000_000, stop.signal)].map(one =>
    one.then(() => {
      woke += 1
    }),
  )
  await clock.advance(100)
  t.equal(woke, 1)
  stop.abort()
  await Promise.all(sleeping)
  t.equal(woke, 2)
  t.equal(clock.pending, 0, 'no timer is left')
  await sleep(clock, 5, stop.signal)
  t.pass('an aborted signal does not wait at all')
})
