import { once } from 'node:events'
import { createServer } from 'node:net'
import t from 'tap'
import { checkTcp } from '../../../../agent/health/tcp.ts'
import { until } from '../../../support/eventually.ts'

const patience = () => AbortSignal.timeout(10_000)

async function listen(t: { teardown(stop: () => unknown): unknown }, host: string) {
  const server = createServer()
  const bytes: Buffer[] = []
  let open = 0
  server.on('connection', socket => {
    open += 1
    socket.on('data', (data: Buffer) => bytes.push(data))
    socket.on('error', () => {})
    socket.once('close', () => {
      open -= 1
    })
  })
  server.listen(0, host)
  await once(server, 'listening')
  t.teardown(() => server.close())
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return { server, port: address.port, bytes, open: () => open }
}

t.test('a port that accepts is healthy, and the connection is closed without a byte', async t => {
  const { server, port, bytes, open } = await listen(t, '127.0.0.1')
  const came = once(server, 'connection')
  t.same(await checkTcp({ kind: 'tcp', port }, '127.0.0.1', patience()), { healthy: true, reason: '' })
  await came
  await until('closed', () => open() === 0)
  t.same(bytes, [])
})

t.test('a host in the check goes before the address of the workload', async t => {
  const { port } = await listen(t, '127.0.0.1')
  t.match(await checkTcp({ kind: 'tcp', host: '127.0.0.1', port }, '127.0.0.2', patience()), { healthy: true })
  t.same(await checkTcp({ kind: 'tcp', port }, '127.0.0.2', patience()), {
    healthy: false,
    reason: 'connection refused',
  })
})

t.test('a check that is given up leaves no connection', async t => {
  const abort = new AbortController()
  // 192.0.2.0/24 is for documentation (RFC 5737): nothing answers there.
  const checking = checkTcp({ kind: 'tcp', port: 9 }, '192.0.2.1', abort.signal)
  abort.abort()
  t.match(await checking, { healthy: false })
})
