import { connect, createServer, type Server, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { originalDst } from '../../../../agent/intercept/original-dst.ts'

// Connections that are redirected need real rules: test/netns/original-dst.test.ts.

const fdOf = (socket: Socket) => (socket as unknown as { _handle: { fd: number } })._handle.fd

async function accepted(t: Test, listen: string, dial: string): Promise<Socket> {
  const server: Server = createServer()
  t.teardown(() => server.close())
  await new Promise<void>(resolve => server.listen(0, listen, resolve))
  const peer = new Promise<Socket>(resolve => server.once('connection', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const client = connect(address.port, dial)
  t.teardown(() => client.destroy())
  const socket = await peer
  t.teardown(() => socket.destroy())
  return socket
}

t.test('an IPv4 connection that nobody redirected has no original destination', async t => {
  const socket = await accepted(t, '127.0.0.1', '127.0.0.1')
  t.equal(originalDst(fdOf(socket), 4), undefined)
})

t.test('an IPv6 connection that nobody redirected has no original destination', async t => {
  const socket = await accepted(t, '::1', '::1')
  t.equal(originalDst(fdOf(socket), 6), undefined)
})

t.test('a mapped connection on a dual-stack socket that nobody redirected has none either', async t => {
  const socket = await accepted(t, '::', '127.0.0.1')
  t.equal(originalDst(fdOf(socket), 4), undefined)
})

t.test('a descriptor that is closed or no socket has no original destination', async t => {
  t.equal(originalDst(-1, 4), undefined)
  t.equal(originalDst(1_000_000, 6), undefined)
  t.equal(originalDst(0, 4), undefined)
})
