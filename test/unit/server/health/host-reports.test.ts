import t from 'tap'
import { changedKeys } from '../../../../mesh/std/table.ts'
import type { HostReport, Registration, WorkloadHealth } from '../../../../mesh/wire/messages.ts'
import { createHostReports, probedHealth } from '../../../../server/health/host-reports.ts'
import { FakeClock } from '../../../fakes/clock.ts'

const registration: Registration = {
  group: 'shop/api',
  name: 'api-1',
  address: '10.0.0.7',
  ports: { http: 8080 },
  maintenance: '',
}

function sick(workload: string, reason = 'connection refused'): WorkloadHealth {
  return { workload, healthy: false, reason }
}

function well(workload: string): WorkloadHealth {
  return { workload, healthy: true, reason: '' }
}

function report(health: readonly WorkloadHealth[], registrations: readonly Registration[] = []): HostReport {
  return { kind: 'report', health, registrations }
}

function start() {
  const clock = new FakeClock()
  const reports = createHostReports({ clock })
  const healthOf = (id: string, node = 'vm-1') => probedHealth(reports.health.value, { id, node })
  return { clock, reports, healthOf }
}

t.test('a report replaces the one before of the same node', async t => {
  const { clock, reports, healthOf } = start()
  reports.report('vm-1', report([well('a'), sick('b')]))
  reports.report('vm-2', report([well('c')]))
  const since = clock.now()
  t.same(healthOf('b'), { node: 'vm-1', healthy: false, reason: 'connection refused', since })
  reports.report('vm-1', report([well('b')]))
  t.equal(healthOf('a'), undefined)
  t.same([...reports.health.value.keys()], ['b', 'c'])
})

t.test('since says when the health changed, not when it was repeated or explained anew', async t => {
  const { clock, reports, healthOf } = start()
  reports.report('vm-1', report([sick('a')]))
  const first = clock.now()
  await clock.advance(1000)
  reports.report('vm-1', report([sick('a', 'timed out')]))
  t.match(healthOf('a'), { reason: 'timed out', since: first })
  await clock.advance(1000)
  reports.report('vm-1', report([well('a')]))
  t.match(healthOf('a'), { healthy: true, since: first + 2000 })
})

t.test('a report that says nothing new is no change, and one change touches one workload', async t => {
  const { clock, reports } = start()
  reports.report('vm-1', report([well('a'), well('b')], [registration]))
  const { health, registrations } = reports
  const before = { health: health.value, registrations: registrations.value }
  await clock.advance(1000)
  reports.report('vm-1', report([well('a'), well('b')], [{ ...registration }]))
  t.equal(health.value, before.health)
  t.equal(registrations.value, before.registrations)
  reports.report('vm-1', report([well('a'), sick('b')], [registration]))
  t.same(changedKeys(before.health, health.value), ['b'])
})

t.test('what a node says of the workloads of another displaces nothing', async t => {
  const { reports, healthOf } = start()
  reports.report('vm-0', report([sick('a', 'forged')]))
  reports.report('vm-1', report([well('a')]))
  reports.report('vm-2', report([sick('a', 'forged')]))
  t.match(healthOf('a'), { healthy: true, node: 'vm-1' })
  reports.report('vm-2', report([]))
  t.match(healthOf('a'), { healthy: true })
  t.equal(healthOf('a', 'vm-2'), undefined)
  t.equal(probedHealth(reports.health.value, { id: 'a' }), undefined, 'nobody speaks for a workload without a node')
})

t.test('health stays when the node is gone, and its registrations say since when', async t => {
  const { clock, reports, healthOf } = start()
  reports.report('vm-1', report([sick('a')], [registration]))
  t.same(reports.registrations.value.get('vm-1'), { node: 'vm-1', connected: true, registrations: [registration] })
  await clock.advance(1000)
  reports.left('vm-1')
  t.match(healthOf('a'), { healthy: false })
  t.match(reports.registrations.value.get('vm-1'), {
    connected: false,
    disconnectedAt: clock.now(),
    registrations: [registration],
  })
  reports.report('vm-1', report([], [registration]))
  t.same(reports.registrations.value.get('vm-1'), { node: 'vm-1', connected: true, registrations: [registration] })
  reports.left('vm-9')
  t.equal(reports.registrations.value.size, 1, 'a node that never reported is not known here')
})

t.test('a reason is cut to 200 characters', async t => {
  const { reports, healthOf } = start()
  reports.report('vm-1', report([sick('a', 'x'.repeat(4096))]))
  t.equal(healthOf('a')?.reason.length, 200)
})
