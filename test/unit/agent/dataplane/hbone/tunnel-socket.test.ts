import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import t, { type Test } from 'tap'
import { appClientOptions, appServerOptions } from '../../../../../agent/dataplane/h2/app-options.ts'
import { BlockPool } from '../../../../../agent/dataplane/h2/blocks.ts'
import { H2Connection } from '../../../../../agent/dataplane/h2/connection.ts'
import { tunnelSocket } from '../../../../../agent/dataplane/hbone/tunnel-socket.ts'
import type { HttpStream } from '../../../../../agent/dataplane/http/stream.ts'
import { systemClock } from '../../../../../mesh/std/clock.ts'
import { until } from '../../../../support/eventually.ts'
import { socketPair } from '../../../../support/sockets.ts'

/** A tunnel with a socket at each end, and the streams below them. */
async function aTunnel(t: Test, window = 64 * 1024) {
  const { near, far } = await socketPair(t)
  const settings = { initialWindowSize: window }
  const server = new H2Connection(far, 'server', { clock: systemClock, settings })
  const client = new H2Connection(near, 'client', { clock: systemClock, settings })
  t.teardown(() => {
    client.destroy('the test is over')
    server.destroy('the test is over')
  })
  let accepted: HttpStream | undefined
  server.onStream = stream => {
    stream.respond([':status', '200'], false)
    accepted = stream
  }
  const stream = client.open([':method', 'CONNECT', ':authority', '10.0.0.1:80'], false)
  if (stream === undefined) throw new Error('no capacity')
  await until('the tunnel is open', () => accepted !== undefined)
  if (accepted === undefined) throw new Error('not open')
  const ends = { client: tunnelSocket(stream), server: tunnelSocket(accepted) }
  for (const end of [ends.client, ends.server]) end.on('error', () => {})
  return { ...ends, connections: { client, server }, stream, accepted }
}

function readAll(socket: Duplex) {
  const seen = { bytes: 0, text: '', ended: false, closed: false, error: '' }
  socket.on('data', (chunk: Buffer) => {
    seen.bytes += chunk.length
    if (seen.text.length < 1000) seen.text += chunk.toString('latin1')
  })
  socket.on('end', () => {
    seen.ended = true
  })
  socket.on('error', error => {
    seen.error = error.message
  })
  socket.on('close', () => {
    seen.closed = true
  })
  return seen
}

t.test('bytes pass both ways, and each side ends for itself', async t => {
  const { client, server, connections } = await aTunnel(t)
  const [atClient, atServer] = [readAll(client), readAll(server)]
  client.end('question')
  await until('the question has ended', () => atServer.ended)
  t.equal(atServer.text, 'question')
  t.equal(atClient.ended, false)
  server.end('answer')
  await until('both are closed', () => atClient.closed && atServer.closed)
  t.equal(atClient.text, 'answer')
  t.equal(atClient.error + atServer.error, '')
  t.equal(connections.client.openStreams, 0)
})

t.test('a reader that reads nothing holds its writer back, and nothing is lost', async t => {
  const { client, server } = await aTunnel(t)
  const chunk = Buffer.alloc(64 * 1024, 7)
  let written = 0
  const pump = () => {
    while (written < 100) {
      written += 1
      if (!client.write(chunk)) return
    }
    client.end()
  }
  client.on('drain', pump)
  pump()
  await once(server, 'readable')
  for (let turn = 0; turn < 50; turn += 1) await new Promise(resolve => setImmediate(resolve))
  t.ok(written < 10, `${written} chunks were taken`)
  const seen = readAll(server)
  await until('all has come', () => seen.ended)
  t.equal(seen.bytes, 100 * chunk.length)
})

t.test('a reset of either side reaches the other, with an error', async t => {
  const first = await aTunnel(t)
  const atServer = readAll(first.server)
  const atClient = readAll(first.client)
  first.client.destroy()
  await until('the other side is closed', () => atServer.closed)
  t.match(atServer.error, /reset/)
  t.equal(atClient.error, '', 'who resets has no error of its own')
  t.equal(first.connections.client.openStreams, 0)

  const second = await aTunnel(t)
  const seen = readAll(second.client)
  second.accepted.reset(8)
  await until('it is closed', () => seen.closed)
  t.match(seen.error, /reset/)
})

t.test('what a destroyed socket had not read goes back to the window of the session', async t => {
  const { client, server, connections } = await aTunnel(t, 1024 * 1024)
  client.write(Buffer.alloc(900_000))
  await once(server, 'readable')
  server.destroy()
  const seen = readAll(client)
  await until('the reset has come', () => seen.closed)
  // the connection's window is 16 MiB: if it leaked, twenty more could not pass
  for (let round = 0; round < 20; round += 1) {
    let taken = 0
    connections.server.onStream = stream => {
      stream.respond([':status', '200'], false)
      tunnelSocket(stream)
        .on('data', (chunk: Buffer) => {
          taken += chunk.length
        })
        .on('error', () => {})
    }
    const stream = connections.client.open([':method', 'CONNECT', ':authority', 'a:1'], false)
    if (stream === undefined) throw new Error('no capacity')
    const socket = tunnelSocket(stream)
    socket.on('error', () => {})
    socket.write(Buffer.alloc(900_000))
    await until('all has come', () => taken === 900_000)
    socket.destroy()
  }
  t.pass()
})

t.test('HTTP/2 runs in a tunnel', async t => {
  const { client, server } = await aTunnel(t)
  const blocks = new BlockPool()
  const inner = new H2Connection(server, 'server', appServerOptions(systemClock, blocks))
  inner.onStream = (stream, headers) => {
    stream.respond([':status', '200', 'x-path', headers[headers.indexOf(':path') + 1] ?? ''], false)
    stream.write(Buffer.alloc(500_000, 1))
    stream.end()
  }
  const outer = new H2Connection(client, 'client', appClientOptions(systemClock, blocks))
  let bytes = 0
  let ended = 0
  for (let index = 0; index < 10; index += 1) {
    const stream = outer.open([':method', 'GET', ':scheme', 'http', ':authority', 'a', ':path', `/${index}`], true)
    if (stream === undefined) throw new Error('no capacity')
    stream.onData = chunk => {
      bytes += chunk.length
      stream.consumed(chunk.length)
    }
    stream.onEnd = () => {
      ended += 1
    }
  }
  await until('all responses are complete', () => ended === 10)
  t.equal(bytes, 5_000_000)
  outer.destroy('done')
  const seen = readAll(server)
  await until('the tunnel is closed', () => server.destroyed || seen.closed)
})
