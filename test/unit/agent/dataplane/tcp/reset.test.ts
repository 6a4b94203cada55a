import { readdirSync, readlinkSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import t from 'tap'
import { resetSocket } from '../../../../../agent/dataplane/tcp/reset.ts'
import { until } from '../../../../support/eventually.ts'

/** Sockets that this process has open, whatever became of their JavaScript side. */
function openSockets(): number {
  return readdirSync('/proc/self/fd').filter(fd => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:')
    } catch {
      return false
    }
  }).length
}

async function aConnection(t: {
  teardown(stop: () => unknown): void
}): Promise<{ readonly near: Socket; readonly far: Socket; readonly before: number }> {
  const accepted = Promise.withResolvers<Socket>()
  const server = createServer({ allowHalfOpen: true }, socket => accepted.resolve(socket))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const before = openSockets()
  const address = server.address()
  const near = connect({
    port: typeof address === 'object' && address !== null ? address.port : 0,
    host: '127.0.0.1',
    allowHalfOpen: true,
  })
  const far = await accepted.promise
  await new Promise<void>(resolve => (near.connecting ? near.once('connect', () => resolve()) : resolve()))
  return { near, far, before }
}

/** Each state a socket can be in when its other side is broken off. */
const states: Readonly<Record<string, (socket: Socket) => void>> = {
  'that is open': () => {},
  'that was told to end in the same turn': socket => socket.end(),
  'that has more to write than the peer reads': socket => socket.write(Buffer.alloc(32 << 20)),
  'that has more to write and was told to end': socket => socket.end(Buffer.alloc(32 << 20)),
}

for (const [state, bring] of Object.entries(states)) {
  t.test(`a socket ${state} is reset, and its descriptor is closed`, async t => {
    const { near, far, before } = await aConnection(t)
    const errors: string[] = []
    near.on('error', error => errors.push(error.message))
    let seen = ''
    far.on('error', error => {
      seen = (error as NodeJS.ErrnoException).code ?? ''
    })
    far.on('close', () => {
      seen ||= 'closed'
    })
    bring(near)
    await new Promise<void>(resolve => process.nextTick(resolve))
    resetSocket(near)
    await until('both descriptors are closed', () => {
      far.resume()
      if (far.readableEnded) far.end()
      return openSockets() <= before
    })
    t.same(errors, [])
    t.equal(near.destroyed, true)
    // a peer that has read the FIN before may be done by the time of the reset
    if (!near.writableFinished) t.equal(seen, 'ECONNRESET')
    else t.not(seen, '')
  })
}

t.test('resetting twice is harmless', async t => {
  const { near, far } = await aConnection(t)
  far.on('error', () => {})
  near.end()
  resetSocket(near)
  resetSocket(near)
  await until('it is gone', () => near.destroyed)
  resetSocket(near)
  t.equal(near.destroyed, true)
})
