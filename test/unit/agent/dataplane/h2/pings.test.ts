import t from 'tap'
import { Pings } from '../../../../../agent/dataplane/h2/pings.ts'
import { FakeClock } from '../../../../fakes/clock.ts'

t.test('tells each question how long its own answer took', async t => {
  const clock = new FakeClock()
  const pings = new Pings(clock)
  const seen: [string, number | undefined][] = []
  const first = pings.start(rtt => seen.push(['first', rtt]))
  await clock.advance(5)
  const second = pings.start(rtt => seen.push(['second', rtt]))
  await clock.advance(7)
  pings.answered(second)
  pings.answered(first)
  pings.answered(first)
  pings.answered(Buffer.alloc(8, 0xff))
  t.strictSame(seen, [
    ['second', 7],
    ['first', 12],
  ])
})

t.test('ends open questions without an answer when it is closed', async t => {
  const pings = new Pings(new FakeClock())
  const seen: (number | undefined)[] = []
  pings.start(rtt => seen.push(rtt))
  pings.close()
  pings.close()
  t.strictSame(seen, [undefined])
})
