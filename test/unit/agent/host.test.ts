import t from 'tap'
import { hostFacts } from '../../../agent/host.ts'
import { systemClock } from '../../../mesh/std/clock.ts'
import { silentLog } from '../../../mesh/std/log.ts'
import { FakeClock } from '../../fakes/clock.ts'

t.test('knows this host, in words that can stand on one line', async t => {
  const facts = await hostFacts({ clock: systemClock, log: silentLog })
  t.match(facts, { os: /./, kernel: /^\d+\./, arch: /^\w+$/, cores: /^\d+$/, memory: /^\d+$/ })
  for (const [name, value] of Object.entries(facts)) t.match(value, /^[^\p{Cc}]{1,200}$/u, name)
})

t.test('says what it knows by the deadline and never waits longer', async t => {
  const clock = new FakeClock()
  // All time passes before a single answer of the system can have come back.
  const instant = { now: () => clock.now(), monotonic: () => clock.monotonic(), timer }
  function timer(_delayMs: number, run: () => void) {
    queueMicrotask(run)
    return { cancel() {} }
  }
  const facts = await hostFacts({ clock: instant, log: silentLog })
  const before = JSON.stringify(facts)
  await hostFacts({ clock: systemClock, log: silentLog })
  t.equal(JSON.stringify(facts), before, 'what is learnt later does not change what was said')
})
