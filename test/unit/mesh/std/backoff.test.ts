import t from 'tap'
import { createBackoff } from '../../../../mesh/std/backoff.ts'

t.test('the bound doubles from base to cap, and starts over after a reset', async t => {
  const backoff = createBackoff({ baseMs: 500, capMs: 3000 }, () => 1)
  const delays = Array.from({ length: 5 }, () => backoff.nextMs())
  t.strictSame(delays, [500, 1000, 2000, 3000, 3000])
  backoff.reset()
  t.equal(backoff.nextMs(), 500)
})

t.test('every delay is drawn from zero to its bound', async t => {
  for (const share of [0, 0.25, 0.999]) {
    const backoff = createBackoff({ baseMs: 1000, capMs: 8000 }, () => share)
    t.strictSame(
      [backoff.nextMs(), backoff.nextMs()],
      [Math.round(share * 1000), Math.round(share * 2000)],
      `at ${share}`,
    )
  }
})

t.test('a thousand failures still wait no longer than the cap', async t => {
  const backoff = createBackoff({ baseMs: 500, capMs: 30_000 }, () => 1)
  let last = 0
  for (let failure = 0; failure < 1000; failure += 1) last = backoff.nextMs()
  t.equal(last, 30_000)
})
