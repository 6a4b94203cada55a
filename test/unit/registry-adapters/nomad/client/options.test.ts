import t from 'tap'
import { checkOptions, defaultLimits } from '../../../../../registry-adapters/nomad/client/options.ts'

t.test('an address is http, https or a socket', async t => {
  t.match(checkOptions({ address: 'http://nomad.example:4646' }), { origin: 'http://nomad.example:4646' })
  t.match(checkOptions({ address: 'https://[::1]:4646/' }), { origin: 'https://[::1]:4646' })
  const socket = checkOptions({ address: 'unix:///var/run/my%20secrets/api.sock' })
  t.match(socket, { origin: 'http://localhost', socketPath: '/var/run/my secrets/api.sock' })
  t.same(socket.limits, defaultLimits)
})

t.test('an option that cannot be is named', async t => {
  const address = 'https://nomad:4646'
  const wrong = [
    ['address', { address: 'nomad:4646' }],
    ['address', { address: 'ftp://nomad' }],
    ['address', { address: 'http://nomad/v1' }],
    ['address', { address: 'http://nomad?region=x' }],
    ['address', { address: 'http://user:secret@nomad' }],
    ['address', { address: 'unix://relative' }],
    ['tokenFile', { address, token: 'a', tokenFile: '/b' }],
    ['tls', { address: 'http://nomad', tls: { ca: '/ca.pem' } }],
    ['tls', { address: 'unix:///a.sock', tls: { serverName: 'x' } }],
    ['tls', { address, tls: { cert: '/cert.pem' } }],
    ['maxSockets', { address, maxSockets: 0 }],
    ['maxSockets', { address, maxSockets: 1.5 }],
    ['maxSockets', { address, maxSockets: 100 }],
  ] as const
  for (const [option, options] of wrong) {
    t.throws(() => checkOptions(options), { code: 'WEFT_CONFIG_INVALID', fields: { option } }, JSON.stringify(options))
  }
  try {
    checkOptions({ address: 'http://user:secret@nomad' })
  } catch (error) {
    t.notMatch(JSON.stringify(error), /secret/)
  }
})
