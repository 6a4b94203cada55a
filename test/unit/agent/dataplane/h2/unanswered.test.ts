import t from 'tap'
import { frameType, h2Error } from '../../../../../agent/dataplane/h2/frames.ts'
import { block, rawServer, watchStream } from '../../../../support/h2-raw.ts'

const get = [':method', 'GET', ':scheme', 'http', ':authority', 'api', ':path', '/']

t.test('requests whose response has not begun are counted by looks, tunnels and answered ones are not', async t => {
  const { connection, peer } = await rawServer(t, { dialect: 'weft' })
  t.equal(connection.lookAtUnanswered(), 0)
  connection.open([':method', 'CONNECT', ':authority', 'a:1'], false)
  connection.open(get, true)
  t.equal(connection.lookAtUnanswered(), 1)
  connection.open(get, true)
  t.equal(connection.lookAtUnanswered(), 2)
  peer.headers(3, block(':status', '200'))
  await peer.settled()
  t.equal(connection.lookAtUnanswered(), 2, 'the second request has seen two by now')
  peer.headers(5, block(':status', '100'))
  await peer.settled()
  t.equal(connection.lookAtUnanswered(), 3, 'an informational response is no answer')
})

t.test('giving up resets the old ones only, for the peer as cancelled and for us with the code', async t => {
  const { connection, peer } = await rawServer(t)
  const open = () => {
    const stream = connection.open(get, true)
    if (stream === undefined) throw new Error('no capacity')
    return watchStream(stream)
  }
  const old = open()
  connection.lookAtUnanswered()
  const young = open()
  connection.lookAtUnanswered()
  connection.giveUpUnanswered(2, h2Error.connect, 'silent')
  t.strictSame(old.reset, { code: h2Error.connect, reason: 'silent' })
  t.equal(young.reset, undefined)
  t.equal(await peer.resetCode(1), h2Error.cancel)
  t.equal(peer.of(frameType.rstStream, 3).length, 0)
  t.equal(connection.openStreams, 1)
})
