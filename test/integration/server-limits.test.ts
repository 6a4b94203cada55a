import { channel } from 'node:diagnostics_channel'
import { Server as HttpServer } from 'node:http'
import { Server as HttpsServer } from 'node:https'
import { Server } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { startTestServer, testServerConfig } from '../support/server.ts'

const listening = channel('tracing:net.server.listen:asyncStart')

t.test('every listener of a server bounds its connections, and every HTTP one what a request may take', async t => {
  const servers: Server[] = []
  const note = (message: unknown) => {
    if (typeof message !== 'object' || message === null || !('server' in message)) return
    if (message.server instanceof Server) servers.push(message.server)
  }
  listening.subscribe(note)
  t.teardown(() => listening.unsubscribe(note))
  const { running } = await startTestServer(testServerConfig(join(t.testdir({}), 'data'), []))
  t.teardown(() => running.stop())
  t.equal(servers.length, 4, 'websocket, grpc, api and metrics')
  const isHttp = (one: Server) => one instanceof HttpServer || one instanceof HttpsServer
  for (const one of servers) t.ok(one.maxConnections > 0 && one.maxConnections <= 10_000, one.constructor.name)
  t.equal(servers.filter(isHttp).length, 2)
  for (const one of servers) {
    if (!(one instanceof HttpServer || one instanceof HttpsServer)) continue
    t.ok(one.headersTimeout > 0 && one.headersTimeout <= 10_000)
    t.ok(one.requestTimeout > 0 && one.requestTimeout <= 30_000)
    t.ok(one.keepAliveTimeout > 0 && one.keepAliveTimeout <= 5_000)
  }
})
