import t from 'tap'
import { createRanges } from '../../../../mesh/std/ip-ranges.ts'

t.test('an address is in the ranges of its own family only', async t => {
  const ranges = createRanges(['240.240.0.0/16', 'fd77:6566:7400::/64'])
  for (const address of ['240.240.0.0', '240.240.255.255', 'fd77:6566:7400::1']) t.ok(ranges.has(address), address)
  for (const address of ['240.241.0.0', '239.255.255.255', 'fd77:6566:7401::1', '::1', 'api', '']) {
    t.notOk(ranges.has(address), address)
  }
})

t.test('no range has no address', async t => {
  t.notOk(createRanges([]).has('10.0.0.1'))
})

t.test('what is no range is refused', async t => {
  for (const text of ['10.0.0.0', '10.0.0.0/', 'api/8', '10.0.0.0/x', '']) t.throws(() => createRanges([text]), text)
})
