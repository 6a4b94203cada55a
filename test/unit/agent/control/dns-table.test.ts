import t from 'tap'
import { dnsTableOf } from '../../../../agent/control/dns-table.ts'
import { parseUpstream } from '../../../../agent/control/upstream-address.ts'
import { aConfig, aService } from '../../../support/agent-config.ts'

t.test('gives every host of a service its virtual addresses by family', async t => {
  const service = aService({ hosts: ['api.default.mesh', 'api.example.com'] })
  const known = { v4: ['240.240.0.1'], v6: ['fd77:6566:7400::1'] }
  t.same(
    [...dnsTableOf(aConfig({ services: [service] })).names],
    service.hosts.map(host => [host, known]),
  )
})

t.test('gives names with a wildcard the declared addresses, and nothing where there are none', async t => {
  const services = [
    aService({ name: 'a', hosts: ['a.default.mesh', '*.a.example'], addresses: ['10.0.0.1'] }),
    aService({ name: 'b', hosts: ['b.default.mesh', '*.b.example'] }),
  ]
  const { names } = dnsTableOf(aConfig({ services }))
  t.same([...names.keys()], ['a.default.mesh', '*.a.example', 'b.default.mesh'])
  t.same(names.get('*.a.example'), { v4: ['10.0.0.1'], v6: [] })
})

t.test('falls back to declared addresses, and knows nothing of services without any', async t => {
  const services = [
    aService({ name: 'a', hosts: ['a.mesh'], virtualIps: [], addresses: ['10.0.0.1', '10.1.0.0/16'] }),
    aService({ name: 'b', hosts: ['b.mesh'], virtualIps: [] }),
  ]
  t.same([...dnsTableOf(aConfig({ services })).names], [['a.mesh', { v4: ['10.0.0.1'], v6: [] }]])
})

t.test('leaves a name that two services claim with the first', async t => {
  const services = [
    aService({ name: 'a', hosts: ['x.com'], virtualIps: ['240.240.0.1'] }),
    aService({ name: 'b', hosts: ['x.com'], virtualIps: ['240.240.0.2'] }),
  ]
  t.same(dnsTableOf(aConfig({ services })).names.get('x.com')?.v4, ['240.240.0.1'])
})

t.test('reads addresses of name servers', async t => {
  t.same(parseUpstream('10.0.0.2'), { host: '10.0.0.2', port: 53 })
  t.same(parseUpstream('10.0.0.2:5353'), { host: '10.0.0.2', port: 5353 })
  t.same(parseUpstream('fd00::53'), { host: 'fd00::53', port: 53 })
  t.same(parseUpstream('[fd00::53]:5353'), { host: 'fd00::53', port: 5353 })
  for (const text of ['', 'dns.example', '10.0.0.2:0', '10.0.0.2:70000', '[10.0.0.2', 'fe80::1%eth0', '1.2.3']) {
    t.throws(() => parseUpstream(text), TypeError, text)
  }
})
