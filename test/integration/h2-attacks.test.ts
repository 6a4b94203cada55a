import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import t, { type Test } from 'tap'
import { appServerOptions } from '../../agent/dataplane/h2/app-options.ts'
import { BlockPool } from '../../agent/dataplane/h2/blocks.ts'
import { H2Connection } from '../../agent/dataplane/h2/connection.ts'
import type { HttpStream } from '../../agent/dataplane/http/stream.ts'
import { FakeClock } from '../fakes/clock.ts'
import { type AttackTarget, attackSession } from '../support/h2-attack-session.ts'
import { attacks } from '../support/h2-attacks.ts'
import { block } from '../support/h2-raw.ts'

/** A server of ours, as applications meet it, that answers every request. */
async function aTarget(t: Test, refused: string[] = []): Promise<AttackTarget> {
  const clock = new FakeClock()
  const blocks = new BlockPool()
  const connections: H2Connection[] = []
  const server = createServer(socket => {
    socket.on('error', () => {})
    const connection = new H2Connection(socket, 'server', appServerOptions(clock, blocks))
    connections.push(connection)
    connection.onRefused = ({ status, detail }) => refused.push(`${status} ${detail}`)
    connection.onStream = (stream, headers, endStream) => {
      stream.onData = chunk => stream.consumed(chunk.length)
      if (!endStream) return
      if (headers.includes('/large')) large(stream)
      else stream.respond([':status', '200'], true)
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const connection of connections) connection.destroy('the test is over')
    server.close()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('not bound')
  const { port } = address
  return {
    authority: 'api.default.mesh',
    connect: async () => {
      const socket = connect(port, '127.0.0.1')
      t.teardown(() => socket.destroy())
      await once(socket, 'connect')
      return socket
    },
    pass: ms => clock.advance(ms),
  }
}

/** 4 MiB, as the windows permit. */
function large(stream: HttpStream): void {
  const chunk = Buffer.alloc(64 * 1024, 0x61)
  let left = 64
  const more = () => {
    while (left > 0) {
      left -= 1
      if (!stream.write(chunk)) return
    }
    stream.end()
  }
  stream.onDrain = more
  stream.respond([':status', '200'], false)
  more()
}

for (const attack of attacks) {
  t.test(`withstands ${attack.name}`, async t => {
    const verdict = await attack.run(await aTarget(t))
    t.ok(attack.expect.includes(verdict), `${verdict} is one of ${attack.expect.join(', ')}`)
  })
}

t.test('what is well-formed passes: a host that says the same, or stands alone', async t => {
  const refused: string[] = []
  const target = await aTarget(t, refused)
  const session = await attackSession(target)
  session.headers(1, session.request(['host', 'API.default.mesh']), true)
  t.equal(await session.verdict(1), 'status 200')
  session.headers(3, block(':method', 'GET', ':scheme', 'http', ':path', '/', 'host', 'api.default.mesh'), true)
  t.equal(await session.verdict(3), 'status 200')
  session.headers(5, block(':method', 'GET', ':scheme', 'http', ':path', '/'), true)
  t.equal(await session.verdict(5), 'status 400', 'but a request for nobody does not')
  t.strictSame(refused, ['400 neither :authority nor host'], 'and the owner is told')
})
