import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { createHttpConnection } from '../../../registry-adapters/http.ts'
import { until } from '../../support/eventually.ts'

t.test('a closed connection keeps no socket, not even for requests that were waiting for one', async t => {
  const server = createServer(() => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  let open = 0
  let ever = 0
  server.on('connection', socket => {
    open += 1
    ever += 1
    socket.on('close', () => {
      open -= 1
    })
  })
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  for (let times = 0; times < 20; times += 1) {
    const before = ever
    const connection = createHttpConnection({ origin, maxSockets: 1 })
    const exchanges = [1, 2, 3].map(() => connection.get('/', {}, 'pooled'))
    await until('the first one has its socket', () => ever > before)
    connection.close()
    for (const { head } of exchanges) await t.rejects(head)
  }
  await until('all sockets are closed', () => open === 0)
})
