import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import t from 'tap'
import { ConnectionLimit, connectionsPerThread } from '../../../../agent/dataplane/connection-limit.ts'
import { aConfig } from '../../../support/agent-config.ts'
import { aLocalServer, aThread, exchange } from '../../../support/data-threads.ts'
import { until } from '../../../support/eventually.ts'

t.test('connections take a quarter of the open files, shared by the threads', async t => {
  const limits = 'Limit  Soft Limit  Hard Limit  Units\nMax open files            8192              524288      files\n'
  t.equal(connectionsPerThread(limits, 2), 1024)
  t.equal(connectionsPerThread('', 4), 64, 'unknown: as POSIX has it')
  t.equal(connectionsPerThread('Max open files  20  20  files', 8), 16, 'never nothing')
})

t.test('counts in all and by source, and forgets sources that have nothing open', async t => {
  const limit = new ConnectionLimit(3, 2)
  t.ok(limit.take('a'))
  t.ok(limit.take('a'))
  t.notOk(limit.take('a'), 'one source has its share')
  t.ok(limit.take('b'))
  t.notOk(limit.take('c'), 'full')
  t.notOk(limit.take(), 'full without a source too')
  limit.release('a')
  t.ok(limit.take('a'))
  for (const source of ['a', 'a', 'b']) limit.release(source)
  t.equal(limit.open, 0)
})

const hold = async (port: number, count: number, sockets: Socket[]) => {
  for (let at = 0; at < count; at += 1) {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.on('error', () => {})
    sockets.push(socket)
  }
}

t.test('refuses connections beyond the limit, with one line each, and takes new ones when there is room', async t => {
  const local = await aLocalServer(t, socket => socket.pipe(socket))
  const originalDst = { address: '127.0.0.1', port: local }
  const { core, port } = await aThread(t, { kind: 'outbound' }, { originalDst, maxConnections: 4 })
  core.config(aConfig())
  const sockets: Socket[] = []
  t.teardown(() => sockets.map(socket => socket.destroy()))
  await hold(port, 4, sockets)
  await until('all are open', () => core.report().gauges.openConnections === 4)
  t.match(await exchange(port, 'one more'), { error: 'ECONNRESET' })
  t.match(core.report().refused, [{ direction: 'outbound', reason: 'TOO_MANY_CONNECTIONS', count: 1 }])
  for (const socket of sockets) socket.destroy()
  await until('there is room', async () => (await exchange(port, 'again')).text === 'again')
})

t.test('one other host gets half of the connections at most', async t => {
  const { core, port } = await aThread(t, { kind: 'hbone' }, { maxConnections: 4 })
  core.config(aConfig())
  const sockets: Socket[] = []
  t.teardown(() => sockets.map(socket => socket.destroy()))
  await hold(port, 3, sockets)
  await until('the third is refused', () => core.report().refused.length === 1)
  t.match(core.report().refused, [{ direction: 'inbound', reason: 'TOO_MANY_CONNECTIONS', count: 1 }])
})

t.test('one other host has a hundred handshakes under way at most', async t => {
  const { core, port } = await aThread(t, { kind: 'hbone' })
  core.config(aConfig())
  const sockets: Socket[] = []
  t.teardown(() => sockets.map(socket => socket.destroy()))
  await hold(port, 101, sockets)
  await until('one is refused', () => core.report().refused.length === 1)
  t.match(core.report().refused, [{ direction: 'inbound', reason: 'TOO_MANY_CONNECTIONS', count: 1 }])
  for (const socket of sockets) socket.destroy()
  await until('the others are given up', () => {
    return core.report().refused.some(one => one.reason === 'BAD_HANDSHAKE' && one.count === 100)
  })
  const again = connect({ port, host: '127.0.0.1' })
  again.on('error', () => {})
  again.end('no handshake')
  await until('there is room again', () => {
    return core.report().refused.some(one => one.reason === 'BAD_HANDSHAKE' && one.count === 101)
  })
})

t.test('handshakes that share a port of the caller, to two addresses, are counted and given back each', async t => {
  const { core } = await aThread(t, { kind: 'hbone' })
  core.config(aConfig())
  const [bound] = await core.listen([{ name: 'all', role: { kind: 'hbone' }, host: '0.0.0.0', port: 0 }])
  const port = bound?.port
  if (port === undefined) throw new Error('not bound')
  const sockets: Socket[] = []
  t.teardown(() => sockets.map(socket => socket.destroy()))
  const open = async (host: string, localPort?: number) => {
    const socket = connect({ port, host, localAddress: '127.0.0.1', ...(localPort !== undefined && { localPort }) })
    socket.on('error', () => {})
    sockets.push(socket)
    await once(socket, 'connect')
    return socket
  }
  const given = (count: number) => () =>
    core.report().refused.some(one => one.reason === 'BAD_HANDSHAKE' && one.count === count)
  for (const batch of [1, 2]) {
    for (let at = 0; at < 50; at += 1) await open('127.0.0.2', (await open('127.0.0.1')).localPort)
    for (const socket of sockets) socket.destroy()
    await until('all are given up', given(batch * 100))
  }
  await open('127.0.0.1')
  for (const socket of sockets) socket.destroy()
  await until('one more was taken', given(201))
  t.notOk(core.report().refused.some(({ reason }) => reason === 'TOO_MANY_CONNECTIONS'))
})
