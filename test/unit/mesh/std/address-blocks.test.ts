import t from 'tap'
import { createAddressBlocks } from '../../../../mesh/std/address-blocks.ts'
import { createRanges } from '../../../../mesh/std/ip-ranges.ts'

t.test('an address is in a block of its own family', async t => {
  const blocks = createAddressBlocks(['10.1.2.3', '10.20.30.40/16', '2001:db8::/32', '::1', '::ffff:192.0.2.0/120'])
  for (const address of ['10.1.2.3', '10.20.0.0', '10.20.255.255', '2001:db8::9', '::1', '192.0.2.77']) {
    t.equal(blocks?.has(address), true, address)
  }
  for (const address of ['10.1.2.4', '10.21.0.0', '10.19.255.255', '2001:db9::', '::2', '192.0.3.0']) {
    t.equal(blocks?.has(address), false, address)
  }
})

t.test('an IPv4 address in IPv6 clothes is the IPv4 address', async t => {
  const blocks = createAddressBlocks(['10.0.0.0/8'])
  t.equal(blocks?.has('::ffff:10.1.2.3'), true)
  t.equal(blocks?.has('::ffff:11.1.2.3'), false)
  t.equal(createAddressBlocks(['::/0'])?.has('10.1.2.3'), false)
  t.equal(createAddressBlocks(['0.0.0.0/0'])?.has('::1'), false)
})

t.test('what is no address is in no block', async t => {
  const blocks = createAddressBlocks(['0.0.0.0/0', '::/0'])
  for (const text of ['', '1', '1.2.3', '1.2.3.4.5', '1.2.3.256', '01.2.3.4', '1.2.3.4 ', 'api', ':', '1.2.3.4:80']) {
    t.equal(blocks?.has(text), false, text)
  }
})

t.test('one text that is no block spoils the set', async t => {
  for (const text of [
    '',
    'api',
    '10.0.0',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/x',
    '::/129',
    '10.0.0.0/8/8',
    '::1%eth0',
  ]) {
    t.equal(createAddressBlocks(['10.0.0.1', text]), undefined, text)
  }
})

t.test('each prefix length has the same addresses as in the ranges of node:net', async t => {
  const addresses = ['0.0.0.0', '10.0.0.0', '10.255.255.255', '127.255.255.255', '128.0.0.0', '255.255.255.255']
  for (let bits = 0; bits <= 32; bits += 1) {
    for (const network of addresses) {
      const blocks = createAddressBlocks([`${network}/${bits}`])
      const ranges = createRanges([`${network}/${bits}`])
      for (const address of addresses)
        t.equal(blocks?.has(address), ranges.has(address), `${network}/${bits} ${address}`)
    }
  }
})
