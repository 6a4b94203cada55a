import { execFile } from 'node:child_process'
import { once } from 'node:events'
import http2 from 'node:http2'
import { type AddressInfo, connect, createServer } from 'node:net'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { appClientOptions, appServerOptions } from '../../agent/dataplane/h2/app-options.ts'
import { BlockPool } from '../../agent/dataplane/h2/blocks.ts'
import { H2Connection } from '../../agent/dataplane/h2/connection.ts'
import { systemClock } from '../../mesh/std/clock.ts'

/** Applications that speak HTTP/2 by prior knowledge, by implementations that are not ours. */

const run = promisify(execFile)
const blocks = new BlockPool()

/** A server as applications meet it: it sends back what it was asked, as JSON, with fields in mixed case. */
async function ourServer(t: Test): Promise<number> {
  const connections: H2Connection[] = []
  const server = createServer(socket => {
    const connection = new H2Connection(socket, 'server', appServerOptions(systemClock, blocks))
    connections.push(connection)
    connection.onStream = (stream, headers) => {
      const body = Buffer.from(JSON.stringify(headers))
      stream.respond([':status', '200', 'Content-Type', 'application/json', 'X-Served-By', 'api'], false)
      stream.write(body)
      stream.end()
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const connection of connections) connection.destroy('the test is over')
    server.close()
  })
  return (server.address() as AddressInfo).port
}

t.test('node:http2 asks again and again, with whatever header table', async t => {
  const port = await ourServer(t)
  for (const headerTableSize of [4096, 0, 100, 65_536]) {
    const session = http2.connect(`http://127.0.0.1:${port}`, { settings: { headerTableSize } })
    t.teardown(() => session.destroy())
    for (let round = 0; round < 20; round += 1) {
      const stream = session.request({ ':path': `/${round}`, 'x-own': 'value', cookie: ['a=1', 'b=2'] })
      let text = ''
      stream.on('data', chunk => {
        text += chunk
      })
      const [response] = await once(stream, 'response')
      await once(stream, 'end')
      t.match(response, { ':status': 200, 'content-type': 'application/json', 'x-served-by': 'api' })
      const asked: string[] = JSON.parse(text)
      t.equal(asked[asked.indexOf(':path') + 1], `/${round}`)
      t.equal(asked[asked.indexOf('x-own') + 1], 'value')
    }
  }
})

t.test('curl asks by prior knowledge', async t => {
  const port = await ourServer(t)
  const url = `http://127.0.0.1:${port}/x?y=1`
  const { stdout } = await run('curl', ['-sS', '-i', '--http2-prior-knowledge', '-H', 'X-Own: v', url])
  t.match(stdout, /^HTTP\/2 200/)
  t.match(stdout, /x-served-by: api/)
  t.match(stdout, /"x-own","v"/)
})

t.test('node:http2 serves what we ask, names from any wire, with whatever header table', async t => {
  for (const headerTableSize of [4096, 0, 100, 65_536]) {
    const server = http2.createServer({ settings: { headerTableSize } })
    const sessions: http2.Http2Session[] = []
    server.on('session', session => sessions.push(session))
    server.on('stream', (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => {
      stream.respond({ ':status': 200, 'x-saw': `${headers['x-own']} ${headers['user-agent']} ${headers[':path']}` })
      stream.end('done')
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    await once(socket, 'connect')
    const connection = new H2Connection(socket, 'client', appClientOptions(systemClock, blocks))
    t.teardown(() => {
      connection.destroy('the test is over')
      for (const session of sessions) session.destroy()
      server.close()
    })
    for (let round = 0; round < 20; round += 1) {
      const head = [':method', 'GET', ':scheme', 'http', ':authority', 'api', ':path', `/${round}`]
      const stream = connection.open([...head, 'X-Own', 'Value', 'User-Agent', 'weft'], true)
      if (stream === undefined) throw new Error('no capacity')
      const saw = await new Promise<string | undefined>((resolve, reject) => {
        stream.onHeaders = response => resolve(response[response.indexOf('x-saw') + 1])
        stream.onReset = (_code, reason) => reject(new Error(reason))
      })
      t.equal(saw, `Value weft /${round}`)
    }
  }
})
