import type { NetworkInterfaceInfo, networkInterfaces } from 'node:os'
import t from 'tap'
import { ownAddress } from '../../../../agent/registration/own-address.ts'

function interfaces(...addresses: string[]): typeof networkInterfaces {
  const list = addresses.map((address): NetworkInterfaceInfo => {
    const common = { address, netmask: '', mac: '', internal: address === '127.0.0.1', cidr: null }
    return address.includes(':') ? { ...common, family: 'IPv6', scopeid: 0 } : { ...common, family: 'IPv4' }
  })
  return () => ({ eth0: list })
}

t.test('is where the server is reached from', async t => {
  t.equal(ownAddress('10.77.0.1', interfaces('10.0.0.1')), '10.77.0.1')
  t.equal(ownAddress('fd00:0::1', interfaces('10.0.0.1')), 'fd00::1')
  t.equal(ownAddress('::ffff:10.77.0.1', interfaces('10.0.0.1')), '10.77.0.1', 'a socket of both families')
})

t.test('with the server on this host, is the first address that others can see', async t => {
  for (const loopback of ['127.0.0.1', '127.1.2.3', '::1', '169.254.0.1', 'fe80::1%eth0', undefined]) {
    const others = interfaces('127.0.0.1', 'fe80::1', 'fd00::5', '10.0.0.1', '10.0.0.2')
    t.equal(ownAddress(loopback, others), '10.0.0.1', String(loopback))
  }
  t.equal(ownAddress('127.0.0.1', interfaces('fe80::1', 'fd00::5')), 'fd00::5')
  t.equal(ownAddress('127.0.0.1', interfaces('127.0.0.1', '169.254.1.1')), undefined)
})
