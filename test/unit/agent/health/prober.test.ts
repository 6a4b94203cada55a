import t, { type Test } from 'tap'
import type { CheckResult } from '../../../../agent/health/check.ts'
import { createProber } from '../../../../agent/health/prober.ts'
import type { LocalWorkloadResource } from '../../../../mesh/model/agent-config.ts'
import { type Probe, type ProbeCheck, probeDefaults } from '../../../../mesh/model/probe.ts'
import { FakeClock } from '../../../fakes/clock.ts'
import { aWorkload } from '../../../support/agent-config.ts'
import { recordedLog } from '../../../support/recorded-log.ts'

const down: CheckResult = { healthy: false, reason: 'connection refused' }
const up: CheckResult = { healthy: true, reason: '' }

function aProbe(port: number, values: Partial<Probe> = {}): Probe {
  return { ...probeDefaults, check: { kind: 'tcp', port }, ...values }
}

function probed(id: string, ...probes: readonly Probe[]): LocalWorkloadResource {
  return aWorkload({ id, address: '10.0.0.7', probes })
}

/** A prober whose checks answer as `answers` says by port, and are recorded. */
function start(t: Test, random = 0.5) {
  const clock = new FakeClock()
  const log = recordedLog()
  const answers = new Map<number, CheckResult | Promise<CheckResult>>()
  const asked: { readonly at: number; readonly port: number; readonly address: string }[] = []
  let running = 0
  const world = { clock, log, answers, asked, most: 0 }
  const check = async (what: ProbeCheck, address: string, signal: AbortSignal): Promise<CheckResult> => {
    const port = what.kind === 'tcp' ? what.port : 0
    asked.push({ at: clock.monotonic(), port, address })
    running += 1
    world.most = Math.max(world.most, running)
    const aborted = new Promise<CheckResult>(resolve => {
      signal.addEventListener('abort', () => resolve({ healthy: false, reason: 'aborted' }), { once: true })
    })
    const result = await Promise.race([answers.get(port) ?? up, aborted])
    running -= 1
    return result
  }
  const prober = createProber({ clock, log, random: () => random, check })
  t.teardown(() => prober.stop())
  const follow = (...workloads: readonly LocalWorkloadResource[]) => prober.follow({ workloads })
  const told = () => prober.health.value.map(({ workload, healthy }) => `${workload} ${healthy ? 'up' : 'down'}`)
  return Object.assign(world, { prober, follow, told })
}

t.test(
  'a workload without a probe is nobody knows what, and one with a probe is known after its first success',
  async t => {
    const { clock, prober, follow, told, asked } = start(t)
    await follow(probed('a'), probed('b', aProbe(1)))
    t.same(prober.health.value, [])
    t.match(prober.status(), [
      { workload: 'b', state: 'unknown', probes: [{ check: 'tcp 10.0.0.7:1', state: 'unknown' }] },
    ])
    await clock.advance(1000)
    t.same(told(), ['b up'])
    t.match(asked, [{ port: 1, address: '10.0.0.7' }])
    t.same(prober.health.value, [{ workload: 'b', healthy: true, reason: '' }])
  },
)

t.test(
  'it takes as many failures as the probe says to be told, with the reason, and one success to be back',
  async t => {
    const { clock, log, prober, follow, told, answers } = start(t)
    await follow(probed('a', aProbe(1, { failureThreshold: 2, successThreshold: 1 })))
    await clock.advance(1000)
    answers.set(1, down)
    await clock.advance(10_000)
    t.same(told(), ['a up'])
    t.match(prober.status()[0], { state: 'healthy', probes: [{ state: 'healthy', failure: 'connection refused' }] })
    await clock.advance(10_000)
    t.same(prober.health.value, [{ workload: 'a', healthy: false, reason: 'tcp 10.0.0.7:1: connection refused' }])
    t.match(
      log.lines.filter(({ level }) => level === 'warn'),
      [{ fields: { workload: 'a', reason: 'tcp 10.0.0.7:1: connection refused' } }],
    )
    answers.set(1, up)
    await clock.advance(10_000)
    t.same(told(), ['a up'])
    t.match(prober.status()[0], { probes: [{ state: 'healthy', lastAt: /^2030-/ }] })
    t.notOk(prober.status()[0]?.probes[0]?.failure)
  },
)

t.test('the first check comes after the initial delay, the others a period apart', async t => {
  const { clock, follow, asked } = start(t)
  await follow(probed('a', aProbe(1, { initialDelayMs: 5000, periodMs: 2000 })))
  await clock.advance(5000)
  t.equal(asked.length, 0)
  await clock.advance(10_000)
  t.same(
    asked.map(({ at }) => at),
    [5250, 7250, 9250, 11_250, 13_250],
  )
})

t.test('turns of many workloads are spread, and each is a little early or late', async t => {
  for (const [random, ats] of [
    [0, [0, 9500, 19_000]],
    [0.999, [499.5, 10_998.5, 21_497.5]],
  ] as const) {
    const { clock, follow, asked } = start(t, random)
    await follow(probed('a', aProbe(1)))
    await clock.advance(22_000)
    t.same(
      asked.slice(0, 3).map(({ at }) => Math.round(at * 10) / 10),
      ats.map(at => Math.round(at * 10) / 10),
    )
  }
})

t.test('a check that does not answer in time is given up and counts as a failure', async t => {
  const { clock, prober, follow, answers } = start(t)
  answers.set(1, new Promise(() => {}))
  await follow(probed('a', aProbe(1, { timeoutMs: 3000, failureThreshold: 1 })))
  await clock.advance(3000)
  t.same(prober.health.value, [])
  await clock.advance(500)
  t.match(prober.health.value, [{ healthy: false, reason: 'tcp 10.0.0.7:1: no answer within 3000 ms' }])
})

t.test('a check that throws is a failure', async t => {
  const { clock, prober, follow, answers } = start(t)
  const throwing = Promise.reject(new Error('EMFILE: too many open files'))
  throwing.catch(() => {})
  answers.set(1, throwing)
  await follow(probed('a', aProbe(1, { failureThreshold: 1 })))
  await clock.advance(1000)
  t.match(prober.health.value, [{ healthy: false, reason: 'tcp 10.0.0.7:1: EMFILE: too many open files' }])
})

t.test('turns never overlap, and those that were missed are not made up for', async t => {
  const world = start(t)
  const slow = Promise.withResolvers<CheckResult>()
  world.answers.set(1, slow.promise)
  await world.follow(probed('a', aProbe(1, { periodMs: 1000, timeoutMs: 60_000 })))
  await world.clock.advance(30_000)
  t.equal(world.asked.length, 1)
  world.answers.set(1, up)
  slow.resolve(up)
  await world.clock.advance(0)
  t.equal(world.asked.length, 2)
  await world.clock.advance(999)
  t.equal(world.asked.length, 2)
  t.equal(world.most, 1)
})

t.test('however many workloads there are, only so many checks run at once', async t => {
  const world = start(t)
  world.answers.set(1, new Promise(() => {}))
  await world.follow(...Array.from({ length: 100 }, (_, at) => probed(`w${at}`, aProbe(1, { failureThreshold: 1 }))))
  await world.clock.advance(20_000)
  t.equal(world.most, 32)
  t.equal(world.prober.health.value.length, 100, 'all have had their turn')
})

t.test('all probes of a workload have to agree that it is healthy, one is enough that it is not', async t => {
  const { clock, prober, follow, told, answers } = start(t)
  answers.set(2, new Promise(() => {}))
  await follow(probed('a', aProbe(1), aProbe(2, { timeoutMs: 9000, failureThreshold: 1 })))
  await clock.advance(1000)
  t.same(told(), [], 'one has not said anything yet')
  answers.set(2, up)
  await clock.advance(9000)
  t.match(prober.health.value, [{ healthy: false, reason: /^tcp 10.0.0.7:2/ }])
  await clock.advance(10_000)
  t.same(told(), ['a up'])
})

t.test('a config that says the same again disturbs nothing', async t => {
  const { clock, follow, asked } = start(t)
  await follow(probed('a', aProbe(1)))
  await clock.advance(5000)
  await follow({ ...probed('a', aProbe(1)), labels: { version: 'v2' } }, probed('b', aProbe(2)))
  await clock.advance(6000)
  t.same(
    asked.filter(({ port }) => port === 1).map(({ at }) => at),
    [250, 10_250],
  )
})

t.test('a changed probe begins again, and until it has decided the workload stays what it was', async t => {
  const { clock, follow, told, answers, asked } = start(t)
  await follow(probed('a', aProbe(1)))
  await clock.advance(1000)
  answers.set(2, down)
  await follow(probed('a', aProbe(2, { failureThreshold: 2 })))
  await clock.advance(1000)
  t.same(told(), ['a up'])
  await clock.advance(10_000)
  t.same(told(), ['a down'])
  t.equal(asked.filter(({ port }) => port === 1).length, 1, 'the old one is over')
})

t.test('at another address nothing is known, and what is gone is told no more', async t => {
  const { clock, follow, told, asked, answers } = start(t)
  await follow(probed('a', aProbe(1)), probed('b', aProbe(2)))
  await clock.advance(1000)
  t.same(told(), ['a up', 'b up'])
  answers.set(1, new Promise(() => {}))
  await follow({ ...probed('a', aProbe(1, { timeoutMs: 5000 })), address: '10.0.0.8' })
  t.same(told(), [])
  await clock.advance(60_000)
  t.equal(asked.filter(({ port }) => port === 2).length, 1)
  t.match(asked.at(-1), { address: '10.0.0.8' })
})

t.test('a reason that changes with every failure is told now and then only', async t => {
  const { clock, prober, follow, answers } = start(t)
  let told = 0
  prober.health.subscribe(() => {
    told += 1
  })
  await follow(probed('a', aProbe(1, { periodMs: 1000, failureThreshold: 1 })))
  for (let second = 0; second < 60; second += 1) {
    answers.set(1, { healthy: false, reason: `attempt ${second}` })
    await clock.advance(1000)
  }
  t.equal(told, 2)
  t.match(prober.health.value, [{ reason: 'tcp 10.0.0.7:1: attempt 30' }])
})

t.test('a reason is one line of at most 200 characters', async t => {
  const { clock, prober, follow, answers } = start(t)
  answers.set(1, { healthy: false, reason: `a\u001b[31m\nb${'x'.repeat(500)}` })
  await follow(probed('a', aProbe(1, { failureThreshold: 1 })))
  await clock.advance(1000)
  const reason = prober.health.value[0]?.reason ?? ''
  t.equal(reason.length, 200)
  t.match(reason, /^tcp 10\.0\.0\.7:1: a \[31m bxxx.*…$/)
})

t.test('after stop nothing runs, nothing is told and no timer is left', async t => {
  const { clock, prober, follow, asked, told, answers } = start(t)
  answers.set(1, new Promise(() => {}))
  await follow(probed('a', aProbe(1)), probed('b', aProbe(2)))
  await clock.advance(300)
  t.equal(asked.length, 2)
  prober.stop()
  await clock.advance(60_000)
  t.equal(asked.length, 2)
  t.same(told(), ['b up'])
  t.equal(clock.pending, 0)
})
