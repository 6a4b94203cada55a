import t from 'tap'
import { EndpointState } from '../../../../../agent/dataplane/upstream/endpoint.ts'
import { noteLoad, ReportedLoad, reportedWeight } from '../../../../../agent/dataplane/upstream/reported-load.ts'
import type { UtilizationSettings } from '../../../../../mesh/routing/cluster.ts'

const settings: UtilizationSettings = {
  stabilizationMs: 10_000,
  expirationMs: 180_000,
  updateMs: 1000,
  errorPenalty: 1,
  metrics: [],
}

const report = (values: Readonly<Record<string, number>>) => new Map(Object.entries(values))

t.test('the weight is requests per second over utilization, and errors count as utilization', async t => {
  const load = report({ rps_fractional: 100, eps: 10, cpu_utilization: 0.4 })
  t.equal(reportedWeight(load, { ...settings, errorPenalty: 0 }), 250)
  t.equal(reportedWeight(load, settings), 200)
  t.equal(reportedWeight(load, { ...settings, errorPenalty: 6 }), 100)
  for (const lacking of [
    { rps_fractional: 100 },
    { cpu_utilization: 0.4 },
    { rps_fractional: 0, cpu_utilization: 1 },
  ]) {
    t.equal(reportedWeight(report(lacking), settings), 0)
  }
})

t.test('utilization is the highest of the named metrics, else the application’s, else the CPU’s', async t => {
  const load = report({
    rps_fractional: 1,
    cpu_utilization: 0.1,
    application_utilization: 0.2,
    mem_utilization: 0.5,
    'named_metrics.queue': 0.25,
    'named_metrics.disk': 0.8,
    'utilization.net': 1,
  })
  const weightBy = (...metrics: readonly string[]) => reportedWeight(load, { ...settings, metrics })
  t.equal(weightBy(), 5)
  t.equal(weightBy('named_metrics.queue'), 4)
  t.equal(weightBy('named_metrics.queue', 'mem_utilization'), 2)
  t.equal(weightBy('named_metrics.*'), 1.25)
  t.equal(weightBy('utilization.*', 'named_metrics.*'), 1)
  t.equal(weightBy('cpu', '*', ''), 5, 'names of nothing')
  t.equal(reportedWeight(report({ rps_fractional: 1, cpu_utilization: 0.1 }), settings), 10)
})

t.test('a weight counts after the stabilization, until nothing was heard for too long', async t => {
  const load = new ReportedLoad()
  const say = (now: number) => load.note('TEXT rps_fractional=10,cpu_utilization=0.5', false, now)
  t.equal(load.weightAt(0, settings), 0)
  say(1000)
  t.equal(load.weightAt(1000, settings), 0)
  t.equal(load.weightAt(10_999, settings), 0)
  t.equal(load.weightAt(11_000, settings), 20)
  load.note('TEXT cpu_utilization=0.5', false, 12_000)
  t.equal(load.weightAt(12_000, settings), 20, 'a report without requests changes nothing')
  t.equal(load.weightAt(181_000, settings), 20)
  t.equal(load.weightAt(181_001, settings), 0)
  say(400_000)
  t.equal(load.weightAt(400_000, settings), 0, 'and it has to prove itself again')
  t.equal(load.weightAt(410_000, settings), 20)
  say(600_000)
  t.equal(load.weightAt(600_000, settings), 0, 'also if nobody looked meanwhile')
  t.equal(load.weightAt(600_000, { ...settings, stabilizationMs: -1000 }), 20)
})

t.test('reports are found in heads and trailers, in whatever case, and long ones are left', async t => {
  const at = (headers: readonly string[]) => {
    const state = new EndpointState()
    noteLoad(state, headers, 0)
    return state.load?.weightAt(0, { ...settings, stabilizationMs: 0 })
  }
  const text = 'TEXT rps_fractional=10,cpu_utilization=0.5'
  t.equal(at([':status', '200', 'Endpoint-Load-Metrics', text]), 20)
  t.equal(at(['endpoint-load-metrics', `${text},eps=${'0'.repeat(4096)}`]), undefined)
  t.equal(at(['x-endpoint-load-metrics', text]), undefined)
})
