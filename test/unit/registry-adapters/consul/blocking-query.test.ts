import t, { type Test } from 'tap'
import { MeshError } from '../../../../mesh/std/errors.ts'
import { follow } from '../../../../registry-adapters/consul/blocking-query.ts'
import type { ConsulClient, ReadMode } from '../../../../registry-adapters/consul/client.ts'
import { checkOptions } from '../../../../registry-adapters/consul/options.ts'
import type { Answer } from '../../../../registry-adapters/consul/request.ts'
import { createRestarts } from '../../../../registry-adapters/consul/restarts.ts'
import { createStanding } from '../../../../registry-adapters/standing.ts'
import { FakeClock } from '../../../fakes/clock.ts'

type Step = Answer | Error | 'wait'
const answer = (index: number, body: string): Answer => ({ index: BigInt(index), body })
const now = { kind: 'now', consistency: 'default' }
const blocking = (index: number) => ({ kind: 'blocking', consistency: 'default', index: BigInt(index) })

t.test('the first read does not block, later ones block at the last index', async t => {
  const { clock, modes, applied } = start(t, [answer(7, 'a'), answer(9, 'b'), 'wait'])
  await clock.advance(60_000)
  t.same(modes, [now, blocking(7), blocking(9)])
  t.same(applied, ['a', 'b'])
})

t.test('an answer with the same index is no news', async t => {
  const { clock, modes, applied } = start(t, [answer(7, 'a'), answer(7, 'a again'), answer(8, 'b'), 'wait'])
  await clock.advance(60_000)
  t.same(modes, [now, blocking(7), blocking(7), blocking(8)])
  t.same(applied, ['a', 'b'])
})

t.test('an index that goes backwards begins anew, and the answer that is asked for then counts', async t => {
  const { clock, modes, applied } = start(t, [answer(7, 'a'), answer(3, 'not yet'), answer(3, 'reset'), 'wait'])
  await clock.advance(60_000)
  t.same(modes, [now, blocking(7), { kind: 'now', consistency: 'consistent' }, blocking(3)])
  t.same(applied, ['a', 'reset'])
})

t.test('with stale reads, an index that goes backwards is taken to the leader', async t => {
  const steps = [answer(7, 'a'), answer(3, 'a follower that lags'), answer(8, 'b'), 'wait'] as const
  const { clock, modes, applied } = start(t, steps, true)
  await clock.advance(60_000)
  t.same(
    modes.map(mode => mode.consistency),
    ['stale', 'stale', 'consistent', 'stale'],
  )
  t.same(applied, ['a', 'b'])
})

t.test('after a failure a lagging follower cannot take the view back', async t => {
  const steps = [
    answer(7, 'a'),
    new Error('gone'),
    answer(3, 'a follower that lags'),
    answer(7, 'leader'),
    'wait',
  ] as const
  const { clock, applied } = start(t, steps, true)
  await clock.advance(60_000)
  t.same(applied, ['a', 'leader'])
})

t.test('an index of 0 counts as 1, and its answer as news', async t => {
  const { clock, modes, applied } = start(t, [answer(0, 'a'), answer(0, 'b'), answer(2, 'c'), 'wait'])
  await clock.advance(60_000)
  t.same(modes, [now, blocking(1), blocking(1), blocking(2)])
  t.same(applied, ['a', 'b', 'c'])
})

t.test('a query that returns at once is repeated at the pace, after a burst of two', async t => {
  const answers = Array.from({ length: 100 }, (_, count) => answer(count + 1, 'x'))
  const { clock, modes } = start(t, answers)
  await clock.advance(0)
  t.equal(modes.length, 2)
  await clock.advance(5_000)
  t.equal(modes.length, 2 + 5_000 / 200)
})

t.test('after a failure it waits longer and longer, then reads without blocking', async t => {
  const failures = Array.from({ length: 20 }, () => new Error('connect ECONNREFUSED'))
  const { clock, modes, health } = start(t, [answer(7, 'a'), ...failures, answer(7, 'a'), 'wait'])
  await clock.advance(60_000)
  t.ok(modes.length < 12, `${modes.length} tries in a minute`)
  t.same(modes.slice(2), modes.slice(2).fill(now as ReadMode))
  await clock.advance(600_000)
  t.same(modes.at(-1), blocking(7))
  t.same(
    health.map(({ kind }) => kind),
    ['failing', 'fresh'],
  )
})

t.test('it waits as long as Consul asks', async t => {
  const asked = new MeshError('WEFT_REGISTRY_UNAVAILABLE', 'limited', { fields: { retryAfterMs: 40_000 } })
  const { clock, modes } = start(t, [asked, 'wait'])
  await clock.advance(39_000)
  t.equal(modes.length, 1)
  await clock.advance(2_000)
  t.equal(modes.length, 2)
})

t.test('an answer that cannot be used is a failure, and is asked for again', async t => {
  const { clock, applied, health } = start(t, [answer(7, 'unusable'), answer(7, 'good'), 'wait'])
  await clock.advance(60_000)
  t.same(applied, ['good'])
  t.same(
    health.map(({ kind }) => kind),
    ['failing', 'fresh'],
  )
})

t.test('a restart ends the wait and reads anew, without a failure', async t => {
  const { clock, modes, restarts, health } = start(t, [answer(7, 'a'), 'wait', answer(7, 'a'), 'wait'])
  await clock.advance(60_000)
  restarts.restart()
  await clock.advance(60_000)
  t.same(modes, [now, blocking(7), now, blocking(7)])
  t.same(health, [])
})

/** Follows a script of answers; the end of the script waits for ever. */
function start(t: Test, steps: readonly Step[], stale = false) {
  const clock = new FakeClock()
  const controller = new AbortController()
  const modes: ReadMode[] = []
  const applied: unknown[] = []
  const health: { kind: string }[] = []
  const restarts = createRestarts(0, clock)
  const standing = createStanding(said => void health.push(said))
  standing.viewed()
  health.length = 0
  const client: ConsulClient = {
    async read(_, mode, signal) {
      signal.throwIfAborted()
      const step = steps[modes.length] ?? 'wait'
      modes.push(mode)
      if (step instanceof Error) throw step
      if (step !== 'wait') return step
      return await new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))))
    },
    write: () => Promise.reject(new Error('nothing is written here')),
    async goHome() {},
    async close() {},
  }
  const apply = (body: unknown) => {
    if (body === 'unusable') throw new Error('unusable')
    applied.push(body)
  }
  const settings = checkOptions({ address: 'http://127.0.0.1:8500', stale })
  const deps = { client, settings, clock, random: () => 0.99, standing, restarts }
  const ended = follow({ kind: 'services' }, apply, deps, controller.signal)
  t.teardown(async () => {
    controller.abort()
    await ended
    if (clock.pending > 0) throw new Error('timers are left')
  })
  return { clock, modes, applied, restarts, health: health as { kind: string }[] }
}
