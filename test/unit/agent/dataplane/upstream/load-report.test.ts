import t from 'tap'
import { readLoadReport } from '../../../../../agent/dataplane/upstream/load-report.ts'

/** Field 1, `cpu_utilization`, 0.25; field 6, `rps_fractional`, 10; field 8, `named_metrics`, `queue` 0.5; field 3, a varint. */
const binary = Buffer.from(
  '09000000000000d03f' + '18ac02' + '310000000000002440' + '42100a057175657565' + '11000000000000e03f',
  'hex',
).toString('base64')

t.test('a report says the same in each of its forms', async t => {
  const expected = { cpu_utilization: 0.25, rps_fractional: 10, 'named_metrics.queue': 0.5 }
  const forms = [
    'TEXT cpu_utilization=0.25,rps_fractional=10,named_metrics.queue=0.5',
    'TEXT cpu_utilization = 0.25, rps_fractional=1e1 ,named_metrics.queue=.5',
    'JSON {"cpu_utilization": 0.25, "rps_fractional": 10, "named_metrics": {"queue": 0.5}}',
    'JSON {"cpuUtilization": 0.25, "rpsFractional": 10, "namedMetrics": {"queue": 0.5}}',
    `BIN ${binary}`,
  ]
  for (const form of forms) t.same(Object.fromEntries(readLoadReport(form, false)), expected, form)
  t.same(Object.fromEntries(readLoadReport(binary, true)), expected)
})

t.test('what is no report, or no number that can be, is nothing', async t => {
  const nothing = [
    '',
    'cpu_utilization=0.25',
    'XML <cpu/>',
    'TEXT',
    'TEXT cpu_utilization',
    'TEXT cpu_utilization=',
    'TEXT cpu_utilization=high,eps=-1,rps_fractional=Infinity,=3',
    'JSON {"cpu_utilization": 0.25',
    'JSON null',
    'JSON {"cpu_utilization": "0.25", "eps": null}',
  ]
  for (const text of nothing) t.equal(readLoadReport(text, false).size, 0, text)
  const whole = Buffer.from(binary, 'base64')
  for (const length of [1, 5, 8, 10, 20, whole.length - 1]) {
    t.equal(readLoadReport(whole.subarray(0, length).toString('base64'), true).size, 0, `${length} bytes`)
  }
  t.equal(readLoadReport(Buffer.from('0b', 'hex').toString('base64'), true).size, 0, 'groups are of another age')
})
