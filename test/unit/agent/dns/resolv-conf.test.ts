import t from 'tap'
import { parseResolvConf, readResolvConf } from '../../../../agent/dns/resolv-conf.ts'

t.test('name servers are read in order, at most three, and nonsense is skipped', async t => {
  const text = [
    '# nameserver 192.0.2.99',
    'search example.com',
    'nameserver 192.0.2.1',
    '  nameserver\t2001:db8::53  ',
    'nameserver fe80::1%eth0',
    'nameserver resolver.example.com',
    'nameserver',
    'options ndots:5',
    'nameserver 192.0.2.2',
    'nameserver 192.0.2.3',
  ].join('\n')
  t.same(parseResolvConf(text).servers, ['192.0.2.1', '2001:db8::53', '192.0.2.2'])
})

t.test('a file that is not there lists nothing', async t => {
  t.same(readResolvConf('/nonexistent/resolv.conf').servers, [])
})
