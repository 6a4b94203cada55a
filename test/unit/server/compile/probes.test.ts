import t from 'tap'
import { probeDefaults } from '../../../../mesh/model/probe.ts'
import { probesOf } from '../../../../server/compile/probes.ts'

const ports = [{ port: 8080 }, { port: 9090 }]
const probe = { ...probeDefaults, check: { kind: 'unit', unit: 'api.service' } } as const

t.test('a workload is checked as its owner says, held or not', async t => {
  t.same(probesOf({ held: false, probe }, ports), [probe])
  t.same(probesOf({ held: true, probe }, ports), [probe])
  t.same(probesOf({ held: false }, ports), [])
})

t.test('one that has vanished from its registry is asked at every port that it serves', async t => {
  const times = { initialDelayMs: 0, timeoutMs: 1000, periodMs: 2000, successThreshold: 1, failureThreshold: 2 }
  t.same(probesOf({ held: true }, ports), [
    { ...times, check: { kind: 'tcp', port: 8080 } },
    { ...times, check: { kind: 'tcp', port: 9090 } },
  ])
  t.same(probesOf({ held: true }, []), [])
})
