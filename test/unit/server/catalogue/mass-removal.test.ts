import t from 'tap'
import { createRemovalGuard } from '../../../../server/catalogue/mass-removal.ts'
import { FakeClock } from '../../../fakes/clock.ts'
import { service, snapshotOf, workload } from '../../../support/catalogue.ts'

const rule = { share: 0.5, minimum: 4, windowMs: 60_000, confirmMs: 600_000, serviceMinimum: 3 }

function of(workloads: number, services = 0) {
  return snapshotOf(
    Array.from({ length: services }, (_, index) => service(`s${index}`)),
    Array.from({ length: workloads }, (_, index) => workload({ id: `r/w${index}` })),
  )
}

t.test('more than half gone in one step is doubted, half is not', async t => {
  const guard = createRemovalGuard(rule, new FakeClock())
  guard.believed(of(10))
  t.equal(guard.isDoubtful(of(5)), false)
  t.equal(guard.isDoubtful(of(4)), true)
  t.equal(guard.isDoubtful(of(0)), true)
})

t.test('services count as well as workloads', async t => {
  const guard = createRemovalGuard(rule, new FakeClock())
  guard.believed(of(10, 10))
  t.equal(guard.isDoubtful(of(10, 4)), true)
})

t.test('a small registry is always believed', async t => {
  const guard = createRemovalGuard(rule, new FakeClock())
  guard.believed(of(3, 3))
  t.equal(guard.isDoubtful(of(0, 0)), false)
})

t.test('small steps within the window count together', async t => {
  const clock = new FakeClock()
  const guard = createRemovalGuard(rule, clock)
  guard.believed(of(10))
  for (const left of [8, 6, 5]) {
    await clock.advance(1000)
    t.equal(guard.isDoubtful(of(left)), false, `${left} left`)
    guard.believed(of(left))
  }
  t.equal(guard.isDoubtful(of(4)), true)
})

t.test('a slow decline is believed', async t => {
  const clock = new FakeClock()
  const guard = createRemovalGuard(rule, clock)
  guard.believed(of(10))
  for (const left of [6, 4, 2, 1]) {
    await clock.advance(120_000)
    t.equal(guard.isDoubtful(of(left)), false, `${left} left`)
    guard.believed(of(left))
  }
})

t.test('a size of long ago is forgotten once a smaller one has been true for the window', async t => {
  const clock = new FakeClock()
  const guard = createRemovalGuard(rule, clock)
  guard.believed(of(100))
  await clock.advance(1000)
  guard.believed(of(60))
  await clock.advance(3_600_000)
  t.equal(guard.isDoubtful(of(40)), false)
})

t.test('what was held stays doubted however long the registry repeats it', async t => {
  const clock = new FakeClock()
  const guard = createRemovalGuard(rule, clock)
  guard.believed(of(10))
  t.equal(guard.isDoubtful(of(2)), true)
  await clock.advance(120_000)
  t.equal(guard.isDoubtful(of(2)), true)
  t.equal(guard.isDoubtful(of(5)), false)
})

t.test('as many new ones as went are a deployment', async t => {
  const guard = createRemovalGuard(rule, new FakeClock())
  guard.believed(of(10))
  const renamed = Array.from({ length: 10 }, (_, index) => workload({ id: `r/new${index}` }))
  t.equal(guard.isDoubtful(snapshotOf([], renamed)), false)
})
