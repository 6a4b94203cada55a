import t from 'tap'
import { MeshError } from '../../../mesh/std/errors.ts'
import { FakeClock } from '../../fakes/clock.ts'
import { runCommand } from '../../support/command-line.ts'

const path = '/v1/services/shop/pay/migrate'

/** A server that moves what it is asked to, from consul to nomad, and whose nomad loses endpoints as told. */
function server(healthy: readonly number[] = [2]) {
  const bodies: Record<string, unknown>[] = []
  let share = 0
  const answer = (text: string) => {
    const body = JSON.parse(text)
    const now = healthy[Math.min(bodies.length, healthy.length - 1)] ?? 0
    bodies.push(body)
    if (now < (body.atLeastHealthy ?? 0)) throw new MeshError('WEFT_MIGRATION_REFUSED', 'fewer than before')
    const after = body.share ?? Math.min(100, share + body.step)
    const side = (registry: string, before: number, later: number) => {
      return { registry, before, after: later, endpoints: 3, healthy: registry === 'nomad' ? now : 3 }
    }
    const from = side('consul', 100 - share, 100 - after)
    const to = side('nomad', share, after)
    const changed = after !== share
    share = after
    return { service: 'shop/pay', from, to, rule: 'ServiceMerge shop/pay', changed }
  }
  return { bodies, answers: { [path]: answer } }
}

t.test('a step is asked for, and both sides are shown before and after', async t => {
  const { answers } = server()
  const { asked, printed } = await runCommand('migrate pay.shop --from consul --to nomad --step 20', answers)
  t.same(asked, [`POST ${path} {"from":"consul","to":"nomad","step":20}`])
  t.equal(
    printed,
    'shop/pay: consul 100 % -> 80 % (3 of 3 healthy), nomad 0 % -> 20 % (2 of 3 healthy)\n  by ServiceMerge shop/pay',
  )
})

t.test('without a number a step is ten percent; names are taken as they are written everywhere', async t => {
  for (const name of ['pay.shop', 'shop/pay']) {
    const { answers, bodies } = server()
    await runCommand(`migrate ${name} --from consul --to nomad`, answers)
    t.same(bodies, [{ from: 'consul', to: 'nomad', step: 10 }])
  }
  const { asked } = await runCommand('migrate pay --from a --to b', {
    '/v1/services/default/pay/migrate': server().answers[path],
  })
  t.equal(asked.length, 1)
  await t.rejects(runCommand('migrate a/b/c --from a --to b'), { code: 'WEFT_USAGE' })
})

t.test('a share is reached at once, everything can go back, and what is done already is said to be', async t => {
  const { answers, bodies } = server()
  const line = 'migrate pay.shop --from consul --to nomad'
  const whole = await runCommand(`${line} --to-share 100`, answers)
  t.match(whole.printed, /all of it goes to nomad now/)
  t.match(
    (await runCommand('migrate pay.shop --from consul --to nomad --abort', answers)).printed,
    /consul 0 % -> 100 %/,
  )
  t.match(
    (await runCommand('migrate pay.shop --from consul --to nomad --abort', answers)).printed,
    'shop/pay: nothing to move: consul 100 % (3 of 3 healthy), nomad 0 % (2 of 3 healthy)',
  )
  t.same(
    bodies.map(one => one.share),
    [100, 0, 0],
  )
})

t.test('what a third registry has is not said to have moved', async t => {
  const side = (registry: string, before: number, after: number) => {
    return { registry, before, after, endpoints: 1, healthy: 1 }
  }
  const moved = {
    service: 'shop/pay',
    from: side('consul', 10, 0),
    to: side('nomad', 40, 50),
    rule: 'r',
    changed: true,
  }
  const { printed } = await runCommand('migrate pay.shop --from consul --to nomad', { [path]: moved })
  t.match(printed, /\nconsul has no share left$/)
})

t.test('with --every it goes on until all has moved', async t => {
  const clock = new FakeClock(0)
  const { answers, bodies } = server()
  const printed: string[] = []
  const running = runCommand('migrate pay.shop --from consul --to nomad --step 40 --every 30s', answers, {
    clock,
    printed,
  })
  await clock.advance(29_999)
  t.equal(bodies.length, 1)
  await clock.advance(1)
  t.same(bodies[1], { from: 'consul', to: 'nomad', step: 40, atLeastHealthy: 2 })
  await clock.advance(30_000)
  await running
  t.equal(printed.length, 3)
  t.match(printed[2], /nomad 80 % -> 100 %.*\n.*\nall of it goes to nomad now/)
  t.equal(clock.pending, 0)
})

t.test('with --every it ends with an error when the other one has fewer healthy endpoints than before', async t => {
  const clock = new FakeClock(0)
  const { answers, bodies } = server([3, 3, 2])
  const printed: string[] = []
  const running = runCommand('migrate pay.shop --from consul --to nomad --every 1m', answers, { clock, printed })
  const ended = t.rejects(running, { code: 'WEFT_MIGRATION_REFUSED' })
  await clock.advance(600_000)
  await ended
  t.equal(bodies.length, 3)
  t.equal(printed.length, 2, 'and the shares stay where they were')
})

t.test('what cannot be meant is refused before anybody is asked', async t => {
  const line = 'migrate pay --from consul --to nomad'
  for (const more of ['--step 0', '--step 101', '--step ten', '--to-share 101', '--every soon']) {
    await t.rejects(runCommand(`${line} ${more}`), { code: 'WEFT_USAGE' }, more)
  }
  for (const more of ['--step 5 --abort', '--to-share 5 --every 1m', '--abort --every 1m', '--step 5 --to-share 7']) {
    await t.rejects(runCommand(`${line} ${more}`), { name: 'CommanderError' }, more)
  }
  await t.rejects(runCommand('migrate pay --from consul'), { name: 'CommanderError' })
})
