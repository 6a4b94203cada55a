import t from 'tap'
import { remoteIpOf } from '../../../../mesh/policy/remote-ip.ts'

t.test('the client is the last address of X-Forwarded-For, or the other end of the connection', async t => {
  const rows: readonly (readonly [headers: readonly string[], expected: string])[] = [
    [[], '10.0.0.1'],
    [['x-forwarded-for', '203.0.113.7'], '203.0.113.7'],
    [['X-Forwarded-For', '198.51.100.1, 203.0.113.7'], '203.0.113.7'],
    [['x-forwarded-for', '198.51.100.1,203.0.113.7 '], '203.0.113.7'],
    [['x-forwarded-for', '198.51.100.1', 'a', 'b', 'x-forwarded-for', '203.0.113.7'], '203.0.113.7'],
    [['x-forwarded-for', '2001:db8::1'], '2001:db8::1'],
    [['x-forwarded-for', '::FFFF:203.0.113.7'], '203.0.113.7'],
    [['x-forwarded-for', ''], '10.0.0.1'],
    [['x-forwarded-for', '203.0.113.7,'], '10.0.0.1'],
    [['x-forwarded-for', 'junk'], '10.0.0.1'],
    [['x-forwarded-for', '203.0.113.7, junk'], '10.0.0.1'],
    [['x-forwarded-for', '203.0.113.7:80'], '10.0.0.1'],
    [['x-forwarded-fo', '203.0.113.7'], '10.0.0.1'],
  ]
  for (const [headers, expected] of rows) t.equal(remoteIpOf(headers, '10.0.0.1'), expected, headers.join(' '))
})
