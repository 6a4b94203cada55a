import t from 'tap'
import { checkOptions } from '../../../../registry-adapters/consul/options.ts'

const address = 'http://127.0.0.1:8500'

t.test('an address is read in all its forms', async t => {
  const read = (text: string) => {
    const [{ secure, host, port } = { secure: false, host: '', port: 0 }] = checkOptions({ address: text }).servers
    return [secure, host, port]
  }
  t.same(read(address), [false, '127.0.0.1', 8500])
  t.same(read('https://consul.example:8501/'), [true, 'consul.example', 8501])
  t.same(read('http://[::1]:8500'), [false, '[::1]', 8500])
  t.same(read('https://consul.example'), [true, 'consul.example', 443])
})

t.test('what cannot work is refused by name', async t => {
  const wrong: [string, Parameters<typeof checkOptions>[0]][] = [
    ['address', { address: '127.0.0.1:8500' }],
    ['address', { address: 'ftp://consul' }],
    ['address', { address: 'http://consul:8500/v1' }],
    ['address', { address: 'http://user:secret@consul:8500' }],
    ['address', {}],
    ['addresses', { address, addresses: ['http://consul-2:8500'] }],
    ['addresses', { addresses: [address, `${address}/`] }],
    ['tls', { addresses: ['https://consul-1:8501', address], tls: { ca: '/ca.pem' } }],
    ['tokenFile', { address, token: 'a', tokenFile: '/b' }],
    ['login', { address, login: { method: 'm', bearerTokenFile: '' } }],
    ['services', { address, services: ['api', ''] }],
    ['excludeServices', { address, excludeServices: ['tag:'] }],
    ['login', { address, tokenFile: '/b', login: { method: 'm', bearerTokenFile: '/c' } }],
    ['tls', { address, tls: { ca: '/ca.pem' } }],
    ['tls', { address: 'https://consul', tls: { cert: '/cert.pem' } }],
    ['maxOpenQueries', { address, maxOpenQueries: 5 }],
    ['waitMs', { address, waitMs: 600_001 }],
    ['meshNamespace', { address, meshNamespace: 'Not_A_Label' }],
  ]
  for (const [option, options] of wrong) {
    t.throws(() => checkOptions(options), { code: 'WEFT_CONFIG_INVALID', fields: { option } })
  }
})

t.test('credentials in an address are not repeated in the error', async t => {
  try {
    checkOptions({ address: 'http://user:s3cret@consul:8500' })
    t.fail('it was taken')
  } catch (error) {
    t.notOk(JSON.stringify(error).includes('s3cret'))
  }
})
