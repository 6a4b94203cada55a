import t from 'tap'
import { h2Error } from '../../../../../agent/dataplane/h2/frames.ts'
import {
  announcedSettings,
  applySettings,
  defaultLocalSettings,
  initialPeerSettings,
} from '../../../../../agent/dataplane/h2/settings.ts'
import { settingsPayload } from '../../../../support/h2-raw.ts'

t.test('takes what the peer asks for, in order, and ignores what it does not know', async t => {
  const settings = initialPeerSettings()
  const payload = settingsPayload([3, 7], [4, 1000], [5, 20_000], [0x1234, 5], [3, 8])
  t.equal(applySettings(payload, settings, false), h2Error.noError)
  t.match(settings, { maxConcurrentStreams: 8, initialWindowSize: 1000, maxFrameSize: 20_000 })
})

t.test('refuses values that RFC 9113 section 6.5.2 does not allow', async t => {
  const code = (id: number, value: number, fromServer = false) =>
    applySettings(settingsPayload([id, value]), initialPeerSettings(), fromServer)
  t.equal(code(2, 2), h2Error.protocol)
  t.equal(code(2, 1), h2Error.noError)
  t.equal(code(2, 1, true), h2Error.protocol, 'a server has nothing to be pushed')
  t.equal(code(4, 2 ** 31), h2Error.flowControl)
  t.equal(code(4, 2 ** 31 - 1), h2Error.noError)
  t.equal(code(5, 16_383), h2Error.protocol)
  t.equal(code(5, 2 ** 24), h2Error.protocol)
})

t.test('announces the stream limit as a server and no push as a client', async t => {
  const server = announcedSettings(defaultLocalSettings, 'server', 100, 16_384)
  const client = announcedSettings(defaultLocalSettings, 'client', 100, 16_384)
  const rest = settingsPayload([1, 4096], [4, 4 << 20], [5, 1 << 20], [6, 16_384])
  t.ok(server.equals(Buffer.concat([settingsPayload([3, 100]), rest])))
  t.ok(client.equals(Buffer.concat([settingsPayload([2, 0]), rest])))
})
