import { connect, createServer, type Socket } from 'node:net'
import t from 'tap'
import type { H2Stream } from '../../../../../agent/dataplane/h2/stream.ts'
import { splice } from '../../../../../agent/dataplane/tcp/splice.ts'
import { until } from '../../../../support/eventually.ts'

interface Teardown {
  teardown(stop: () => unknown): void
}

/** Two ends of a TCP connection on loopback. */
async function aConnection(t: Teardown): Promise<{ readonly near: Socket; readonly far: Socket }> {
  const accepted = Promise.withResolvers<Socket>()
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, socket => accepted.resolve(socket))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const far = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  const near = await accepted.promise
  t.teardown(() => {
    near.destroy()
    far.destroy()
    server.close()
  })
  far.on('error', () => {})
  return { near, far }
}

/** A stream whose peer is the test. */
class PlayedStream implements H2Stream {
  readonly id = 1
  readonly protocol = 'HTTP/2'
  onHeaders: H2Stream['onHeaders']
  onData: H2Stream['onData']
  onEnd: H2Stream['onEnd']
  onReset: H2Stream['onReset']
  onDrain: H2Stream['onDrain']
  given = 0
  ended = false
  resets: number[] = []
  respond(): void {}
  write(): boolean {
    return true
  }
  end(): void {
    this.ended = true
  }
  consumed(bytes: number): void {
    this.given += bytes
  }
  reset(code: number): void {
    this.resets.push(code)
  }
}

const observer = () => {
  const ends: string[] = []
  return { ends, fromSocket() {}, fromStream() {}, ended: (end: string) => ends.push(end) }
}

t.test('gives the window back for bytes that a slow reader takes after both ends were finished', async t => {
  const { near, far } = await aConnection(t)
  const stream = new PlayedStream()
  const seen = observer()
  splice(near, stream, seen)
  far.pause()
  far.end()
  const chunk = Buffer.alloc(64 * 1024)
  for (let sent = 0; sent < 64; sent += 1) stream.onData?.(chunk)
  stream.onEnd?.()
  await until('both ends are finished', () => seen.ends.length === 1)
  t.ok(stream.given < 64 * chunk.length, 'the reader is behind')
  far.resume()
  await until('all is given back', () => stream.given === 64 * chunk.length)
  t.strictSame(seen.ends, ['ok'])
})

t.test('gives the window back when the reader goes away', async t => {
  const { near, far } = await aConnection(t)
  const stream = new PlayedStream()
  splice(near, stream, observer())
  far.pause()
  const chunk = Buffer.alloc(64 * 1024)
  for (let sent = 0; sent < 64; sent += 1) stream.onData?.(chunk)
  far.resetAndDestroy()
  await until('all is given back', () => stream.given === 64 * chunk.length)
  t.strictSame(stream.resets, [8], 'and the peer is told')
})

t.test('a reset of the stream resets the socket', async t => {
  const { near, far } = await aConnection(t)
  const stream = new PlayedStream()
  const seen = observer()
  splice(near, stream, seen)
  let code: string | undefined
  far.on('error', (error: NodeJS.ErrnoException) => {
    code = error.code
  })
  far.resume()
  stream.onReset?.(8, 'reset by the peer')
  await until('the far side sees a reset', () => code === 'ECONNRESET')
  t.strictSame(seen.ends, ['stream-reset'])
})
