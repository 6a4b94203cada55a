import t from 'tap'
import { connectApi, parseAddress } from '../../../cli/api-client.ts'
import { parseDuration } from '../../../cli/duration.ts'

t.test('reads host, host:port and IPv6', async t => {
  t.strictSame(parseAddress('vm1'), { host: 'vm1', port: 15443 })
  t.strictSame(parseAddress('10.0.0.1:443'), { host: '10.0.0.1', port: 443 })
  t.strictSame(parseAddress('[fd00::1]:443'), { host: 'fd00::1', port: 443 })
  t.strictSame(parseAddress('fd00::1'), { host: 'fd00::1', port: 15443 })
})

t.test('refuses what is no address, saying what one looks like', async t => {
  for (const text of ['', 'vm1:', 'vm1:0', 'vm1:99999', 'https://vm1']) {
    t.throws(() => parseAddress(text), { code: 'WEFT_USAGE', next: 'write host or host:port' }, text)
  }
})

t.test('says where a token comes from when there is none', async t => {
  t.throws(() => connectApi({ tokenFile: '/nonexistent/token' }, {}), {
    code: 'WEFT_UNAUTHENTICATED',
    next: /--token-file/,
  })
})

t.test('a malformed token is refused without being quoted', async t => {
  t.throws(() => connectApi({}, { WEFT_TOKEN: 'secret-but-wrong' }), { message: 'the API token is malformed' })
})

t.test('durations have a number and a unit', async t => {
  t.strictSame(['90s', '30m', '12h', '7d'].map(parseDuration), [90_000, 1_800_000, 43_200_000, 604_800_000])
  for (const text of ['', '1', 'h', '-1h', '1w']) t.throws(() => parseDuration(text), { code: 'WEFT_USAGE' }, text)
})
