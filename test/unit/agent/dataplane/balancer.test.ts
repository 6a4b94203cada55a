import t from 'tap'
import { pickEndpoint } from '../../../../agent/dataplane/balancer.ts'

const candidate = (name: string, values: { weight?: number; active?: number; avoidUntil?: number } = {}) => ({
  name,
  weight: values.weight ?? 1,
  load: { active: values.active ?? 0, avoidUntil: values.avoidUntil ?? 0 },
})

/** A repeatable sequence of numbers in [0, 1). */
function sequence(): () => number {
  let state = 12345
  return () => {
    state = (state * 1103515245 + 12345) % 2 ** 31
    return state / 2 ** 31
  }
}

function shares(candidates: readonly ReturnType<typeof candidate>[], picks: number): Map<string, number> {
  const random = sequence()
  const counts = new Map<string, number>()
  for (let pick = 0; pick < picks; pick += 1) {
    const { name } = pickEndpoint(candidates, undefined, 0, random) ?? { name: 'none' }
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return counts
}

t.test('there is nothing to pick from nothing', async t => {
  t.equal(pickEndpoint([], undefined, 0, sequence()), undefined)
})

t.test('prefers the endpoint with fewer open connections', async t => {
  const counts = shares([candidate('busy', { active: 50 }), candidate('idle')], 1000)
  t.ok((counts.get('idle') ?? 0) > 700, `idle got ${counts.get('idle')} of 1000`)
})

t.test('gives traffic in proportion to weight', async t => {
  const counts = shares([candidate('nine', { weight: 9 }), candidate('one', { weight: 1 })], 5000)
  const share = (counts.get('nine') ?? 0) / 5000
  t.ok(share > 0.87 && share < 0.93, `nine got ${share}`)
})

t.test('does not try an endpoint twice', async t => {
  const [a, b] = [candidate('a'), candidate('b')]
  t.equal(pickEndpoint([a, b], new Set([a]), 0, sequence()), b)
  t.equal(pickEndpoint([a, b], new Set([a, b]), 0, sequence()), undefined)
})

t.test('passes over an endpoint that failed lately, unless it is the last', async t => {
  const failed = candidate('failed', { avoidUntil: 100 })
  const sound = candidate('sound', { active: 99 })
  t.equal(pickEndpoint([failed, sound], undefined, 50, sequence()), sound)
  t.equal(pickEndpoint([failed], undefined, 50, sequence()), failed)
})

t.test('tries one that failed again with one connection at a time, until it succeeds', async t => {
  const failed = candidate('failed', { avoidUntil: 100 })
  const sound = candidate('sound', { active: 99 })
  const pick = (now: number) => pickEndpoint([failed, sound], undefined, now, sequence())
  t.equal(pick(99), sound)
  t.equal(pick(100), failed)
  for (const now of [100, 5_000, 10_099]) t.equal(pick(now), sound, `at ${now} the trial has not ended yet`)
  t.equal(pick(10_100), failed)
  failed.load.avoidUntil = 0
  t.equal(pick(10_101), failed)
  t.equal(pick(10_101), failed)
})
