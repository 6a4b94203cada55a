import fc from 'fast-check'
import t from 'tap'
import { addressAt, canonicalAddress } from '../../../../mesh/std/ip-address.ts'

t.test('one address has one spelling', async t => {
  for (const [text, expected] of [
    ['10.0.0.1', '10.0.0.1'],
    ['FD00:0:0::1', 'fd00::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['::', '::'],
  ] as const) {
    t.equal(canonicalAddress(text), expected, text)
  }
})

t.test('what is no plain address is refused', async t => {
  for (const text of [
    '',
    'localhost',
    '10.1',
    '0x7f.1',
    '010.0.0.1',
    '256.0.0.1',
    'fe80::1%eth0',
    '::ffff:169.254.169.254',
    '[::1]',
    '10.0.0.1/32',
    '10.0.0.1\n',
  ]) {
    t.equal(canonicalAddress(text), undefined, JSON.stringify(text))
  }
})

t.test('canonical spelling never throws and is stable', async () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.ipV4(), fc.ipV6()), text => {
      const once = canonicalAddress(text)
      return once === undefined || canonicalAddress(once) === once
    }),
  )
})

t.test('addresses are counted from the first of the range, with carries', async t => {
  t.equal(addressAt('240.240.0.0/16', 1), '240.240.0.1')
  t.equal(addressAt('240.240.0.0/16', 256), '240.240.1.0')
  t.equal(addressAt('240.240.7.9/16', 65535), '240.240.255.255')
  t.equal(addressAt('10.0.0.128/25', 127), '10.0.0.255')
  t.equal(addressAt('fd77:6566:7400::/64', 65537), 'fd77:6566:7400::1:1')
})

t.test('an offset outside of the range is refused', async t => {
  t.throws(() => addressAt('240.240.0.0/16', 65536), RangeError)
  t.throws(() => addressAt('240.240.0.0/16', -1), RangeError)
  t.throws(() => addressAt('240.240.0.0/16', 1.5), RangeError)
  t.throws(() => addressAt('240.240.0.0', 1))
})
