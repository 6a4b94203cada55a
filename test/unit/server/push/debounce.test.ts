import t from 'tap'
import { createDebounce } from '../../../../server/push/debounce.ts'
import { FakeClock } from '../../../fakes/clock.ts'

function start() {
  const clock = new FakeClock()
  const runs: number[] = []
  const debounce = createDebounce(clock, { quietMs: 100, capMs: 1000 }, () => runs.push(clock.monotonic()))
  return { clock, runs, debounce }
}

t.test('a lone event runs at once', async t => {
  const { clock, runs, debounce } = start()
  debounce.poke()
  t.same(runs, [0])
  await clock.advance(5000)
  debounce.poke()
  t.same(runs, [0, 5000])
  t.equal(clock.pending, 0)
})

t.test('a burst runs at its start and once after its end', async t => {
  const { clock, runs, debounce } = start()
  for (let event = 0; event < 10; event += 1) {
    debounce.poke()
    await clock.advance(10)
  }
  await clock.advance(1000)
  t.same(runs, [0, 190])
})

t.test('under change without end nothing waits for longer than the cap', async t => {
  const { clock, runs, debounce } = start()
  for (let event = 0; event < 300; event += 1) {
    debounce.poke()
    await clock.advance(10)
  }
  await clock.advance(1000)
  t.same(runs, [0, 1010, 2010, 3010])
})

t.test('events 100 ms apart or more each run at once', async t => {
  const { clock, runs, debounce } = start()
  for (let event = 0; event < 3; event += 1) {
    debounce.poke()
    await clock.advance(100)
  }
  t.same(runs, [0, 100, 200])
})

t.test('what has only begun waits for its rest, and runs with it', async t => {
  const { clock, runs, debounce } = start()
  debounce.begin()
  await clock.advance(50)
  debounce.poke()
  await clock.advance(1000)
  t.same(runs, [150])
  debounce.begin()
  await clock.advance(1000)
  t.same(runs, [150, 1150], 'without a rest after a quiet time')
})

t.test('after stop nothing runs', async t => {
  const { clock, runs, debounce } = start()
  debounce.poke()
  debounce.poke()
  debounce.stop()
  await clock.advance(1000)
  t.same(runs, [0])
})
