import t from 'tap'
import { proxyHeader } from '../../../../../agent/dataplane/transport/proxy-header.ts'

const v4 = { source: { address: '10.1.2.3', port: 258 }, destination: { address: '192.0.2.9', port: 443 } }
const v6 = { source: { address: 'fd00::1', port: 258 }, destination: { address: '2001:db8::2', port: 443 } }
const signature = '0d0a0d0a000d0a515549540a'

t.test('the first version is a line of text', async t => {
  const text = (caller: typeof v4 | undefined) => proxyHeader('v1', caller).toString('latin1')
  t.equal(text(v4), 'PROXY TCP4 10.1.2.3 192.0.2.9 258 443\r\n')
  t.equal(text(v6), 'PROXY TCP6 fd00::1 2001:db8::2 258 443\r\n')
  t.equal(text(undefined), 'PROXY UNKNOWN\r\n')
  t.match(text({ ...v6, source: { address: 'fe80::1%eth0', port: 1 } }), /^PROXY TCP6 fe80::1 2001:/)
})

t.test('the second one is bytes', async t => {
  const hex = (caller: typeof v4 | undefined) => proxyHeader('v2', caller).toString('hex')
  t.equal(hex(v4), `${signature}2111000c0a010203c0000209010201bb`)
  const [from, to] = [`fd00${'0'.repeat(27)}1`, `20010db8${'0'.repeat(23)}2`]
  t.equal(hex(v6), `${signature}21210024${from}${to}010201bb`)
  t.equal(hex(undefined), `${signature}20000000`)
})

t.test('an address of each family are both written as IPv6', async t => {
  const mixed = { source: v4.source, destination: v6.destination }
  t.match(
    proxyHeader('v1', mixed).toString('latin1'),
    /^PROXY TCP6 ::ffff:(?:10\.1\.2\.3|a01:203) 2001:db8::2 258 443\r\n$/,
  )
  t.match(proxyHeader('v2', mixed).toString('hex'), `${signature}21210024${'0'.repeat(20)}ffff0a010203`)
})
