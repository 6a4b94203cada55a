import t from 'tap'
import { createPrefixTable } from '../../../../mesh/std/prefix-table.ts'

const table = createPrefixTable([
  { range: '0.0.0.0/0', key: 443, value: 'any' },
  { range: '10.0.0.0/8', key: 80, value: 'ten' },
  { range: '10.1.2.3/16', key: 80, value: 'sixteen' },
  { range: '10.1.2.0/23', key: 443, value: 'odd' },
  { range: '10.9.9.9/32', key: 80, value: 'one' },
  { range: '10.0.0.0/8', key: 80, value: 'second' },
  { range: 'fd00::/64', key: 80, value: 'six' },
  { range: 'fd00:0:0:1::/63', key: 80, value: 'wider' },
  { range: '64:ff9b::192.0.2.0/120', key: 80, value: 'mapped' },
])

t.test('the most specific range that has the port wins', async t => {
  for (const [address, port, expected] of [
    ['10.200.0.1', 80, 'ten'],
    ['10.1.255.255', 80, 'sixteen'],
    ['10.2.0.0', 80, 'ten'],
    ['10.9.9.9', 80, 'one'],
    ['10.9.9.8', 80, 'ten'],
    ['10.1.3.255', 443, 'odd'],
    ['10.1.4.0', 443, 'any'],
    ['192.0.2.1', 443, 'any'],
    ['192.0.2.1', 80, undefined],
    ['11.0.0.0', 80, undefined],
  ] as const) {
    t.equal(table.find(address, port), expected, `${address}:${port}`)
  }
})

t.test('addresses of IPv6 are found however they are written', async t => {
  for (const [address, expected] of [
    ['fd00::1', 'six'],
    ['fd00:0:0:0:ffff::', 'six'],
    ['FD00:0:0:1::1', 'wider'],
    ['fd00:0:0:2::', undefined],
    ['64:ff9b::c000:2ff', 'mapped'],
    ['64:ff9b::192.0.2.9', 'mapped'],
    ['::', undefined],
  ] as const) {
    t.equal(table.find(address, 80), expected, address)
  }
})

t.test('what is no address is in no range, and what is no range is refused', async t => {
  for (const text of ['', '10.1', 'x', 'fe80::1%eth0']) t.equal(table.find(text, 443), undefined, text)
  for (const range of ['10.0.0.0', '10.0.0.0/33', 'x/8', '::/129', '10.0.0.0/-1', '10.0.0.0/8x']) {
    t.throws(() => createPrefixTable([{ range, key: 1, value: 1 }]), TypeError, range)
  }
})
