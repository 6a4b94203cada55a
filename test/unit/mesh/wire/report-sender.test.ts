import t from 'tap'
import { Watch } from '../../../../mesh/std/watch.ts'
import type { HostReport, WorkloadHealth } from '../../../../mesh/wire/messages.ts'
import { type HostState, startReportSender } from '../../../../mesh/wire/report-sender.ts'
import { FakeClock } from '../../../fakes/clock.ts'
import { aFlow } from '../../../support/flows.ts'
import { recordedLog } from '../../../support/recorded-log.ts'

function healthOf(...workloads: readonly string[]): HostState {
  return { health: workloads.map(workload => ({ workload, healthy: true, reason: '' })), registrations: [] }
}

function start(first: HostState = healthOf()) {
  const clock = new FakeClock()
  const log = recordedLog()
  const report = new Watch(first)
  const sent: HostReport[] = []
  const names = () => sent.map(({ health }) => health.map(({ workload }) => workload).join(' '))
  const stop = startReportSender({ clock, log, report, send: one => void sent.push(one) })
  return { clock, log, report, sent, names, stop }
}

t.test('what is known is sent at once, even when it is nothing', async t => {
  t.same(start().sent, [{ kind: 'report', health: [], registrations: [] }])
  t.same(start(healthOf('a')).names(), ['a'])
})

t.test('changes that come together make one report, the newest, and a lone one goes at once', async t => {
  const { clock, report, names } = start()
  report.set(healthOf('a'))
  report.set(healthOf('a', 'b'))
  t.same(names(), [''], 'the first report was only just sent')
  await clock.advance(199)
  t.same(names(), [''])
  await clock.advance(1)
  t.same(names(), ['', 'a b'])
  await clock.advance(1000)
  t.equal(names().length, 2, 'nothing is said twice')
  report.set(healthOf('c'))
  t.same(names(), ['', 'a b', 'c'])
})

t.test('nothing is sent after the end, and no timer is left', async t => {
  const { clock, report, sent, stop } = start()
  report.set(healthOf('a'))
  stop()
  report.set(healthOf('b'))
  await clock.advance(1000)
  t.equal(sent.length, 1)
  t.equal(clock.pending, 0)
})

t.test('what is beyond the limits is left out and logged', async t => {
  const health = Array.from(
    { length: 10_002 },
    (_, at): WorkloadHealth => ({
      workload: `w${at}`,
      healthy: true,
      reason: '',
    }),
  )
  const { sent, log } = start({ health, registrations: [] })
  t.equal(sent[0]?.health.length, 10_000)
  t.match(log.lines, [{ level: 'warn', fields: { tooMany: 2 } }])
})

t.test('calls that were seen go with reports: all of them first, then what is new', async t => {
  const clock = new FakeClock()
  const changed = new Watch(0)
  const asked: boolean[] = []
  const take = (all: boolean) => {
    asked.push(all)
    return all ? [aFlow(), aFlow({ path: '/two' })] : changed.value === 1 ? [aFlow()] : []
  }
  const report = new Watch(healthOf())
  const sent: HostReport[] = []
  const flows = { changed, take }
  const stop = startReportSender({ clock, log: recordedLog(), report, flows, send: one => void sent.push(one) })
  await clock.advance(30_000)
  t.equal(sent.length, 1)
  changed.set(1)
  await clock.advance(30_000)
  changed.set(2)
  t.same(
    sent.map(one => one.flows?.length),
    [2, 1, undefined],
  )
  t.same(asked, [true, false, false])
  stop()
  changed.set(3)
  await clock.advance(30_000)
  t.equal(sent.length, 3)
})
