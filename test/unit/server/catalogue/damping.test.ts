import t from 'tap'
import type { Health } from '../../../../mesh/model/workload.ts'
import { createDamping } from '../../../../server/catalogue/damping.ts'
import { FakeClock } from '../../../fakes/clock.ts'
import { service, snapshotOf, workload } from '../../../support/catalogue.ts'

/** A service of four instances, the first ones with the health given. */
function view(...healths: readonly Health[]) {
  const ids = ['r/1', 'r/2', 'r/3', 'r/4']
  const workloads = ids.map((id, at) => workload({ id, name: 'api', health: healths[at] ?? 'healthy' }))
  return snapshotOf([service('api', ids)], workloads)
}

function start() {
  const clock = new FakeClock()
  let settled = 0
  const damping = createDamping(clock, () => {
    settled += 1
  })
  const healthOf = (...healths: readonly Health[]) => damping.damp(view(...healths)).workloads.get('r/1')?.health
  return { clock, damping, healthOf, settled: () => settled }
}

t.test('a workload that changes now and then is believed at once', async t => {
  const { clock, healthOf, damping } = start()
  t.equal(healthOf('healthy'), 'healthy')
  for (let times = 0; times < 10; times += 1) {
    await clock.advance(10_000)
    t.equal(healthOf(times % 2 === 0 ? 'unhealthy' : 'healthy'), times % 2 === 0 ? 'unhealthy' : 'healthy')
  }
  t.equal(damping.flapping, 0)
})

t.test('one that changes five times a second is unhealthy until it has settled', async t => {
  const { clock, healthOf, damping, settled } = start()
  healthOf('healthy')
  const shown = new Set<unknown>()
  for (let times = 0; times < 50; times += 1) {
    await clock.advance(200)
    const now = damping.damp(view(times % 2 === 0 ? 'unhealthy' : 'healthy'))
    if (times > 6) shown.add(now.workloads.get('r/1'))
  }
  t.equal(shown.size, 1, 'the same object all the time: nobody is told anything')
  t.match([...shown], [{ health: 'unhealthy', healthReason: /flapping/ }])
  t.equal(damping.flapping, 1)
  t.equal(settled(), 0)
  await clock.advance(120_000)
  t.equal(settled(), 1)
  t.equal(healthOf('healthy'), 'healthy')
  t.equal(damping.flapping, 0)
})

t.test('when most of a name flap it is the registry, and they stay in use', async t => {
  const { clock, damping } = start()
  damping.damp(view())
  for (let times = 0; times < 20; times += 1) {
    await clock.advance(200)
    const health = times % 2 === 0 ? 'unhealthy' : 'healthy'
    damping.damp(view(health, health, health, health))
  }
  const healths = [...damping.damp(view()).workloads.values()].map(one => one.health)
  t.same(healths, ['healthy', 'healthy', 'healthy', 'healthy'])
  t.equal(damping.flapping, 4)
})

t.test('a workload that is being drained is never hidden by damping', async t => {
  const { clock, healthOf } = start()
  healthOf('healthy')
  for (let times = 0; times < 20; times += 1) {
    await clock.advance(100)
    healthOf(times % 2 === 0 ? 'unhealthy' : 'healthy')
  }
  t.equal(healthOf('draining'), 'draining')
})

t.test('one that vanishes is forgotten', async t => {
  const { clock, damping, healthOf } = start()
  healthOf('healthy')
  for (let times = 0; times < 20; times += 1) {
    await clock.advance(100)
    healthOf(times % 2 === 0 ? 'unhealthy' : 'healthy')
  }
  damping.damp(snapshotOf([], []))
  t.equal(damping.flapping, 0)
  t.equal(clock.pending, 0)
})
