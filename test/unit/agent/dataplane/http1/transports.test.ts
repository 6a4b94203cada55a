import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import tls from 'node:tls'
import t, { type Test } from 'tap'
import { h2Error } from '../../../../../agent/dataplane/h2/frames.ts'
import { Http1ClientConnection } from '../../../../../agent/dataplane/http1/client-connection.ts'
import { Http1ServerConnection } from '../../../../../agent/dataplane/http1/server-connection.ts'
import { systemClock } from '../../../../../mesh/std/clock.ts'
import { until } from '../../../../support/eventually.ts'
import { h2TlsOptions } from '../../../../support/h2-tls.ts'
import { type Seen, watchExchange } from '../../../../support/http1-pair.ts'
import { socketPair } from '../../../../support/sockets.ts'

/** Both ends of a connection of some kind. */
type Pair = { readonly near: Duplex; readonly far: Duplex }

async function tlsPair(t: Test): Promise<Pair> {
  const server = createServer({ allowHalfOpen: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const near = tls.connect({
    port: (server.address() as { port: number }).port,
    host: '127.0.0.1',
    rejectUnauthorized: false,
  })
  const [raw] = (await once(server, 'connection')) as [Socket]
  const far = new tls.TLSSocket(raw, { ...h2TlsOptions(), isServer: true })
  far.on('error', () => {})
  near.on('error', () => {})
  await once(near, 'secureConnect')
  t.teardown(() => {
    near.destroy()
    raw.destroy()
  })
  return { near, far }
}

/** Two streams that are each other's other side, as a tunnel is one. */
async function tunnelPair(): Promise<Pair> {
  class End extends Duplex {
    other: End | undefined
    override _write(chunk: Buffer, _: string, done: () => void): void {
      this.other?.push(chunk)
      setImmediate(done)
    }
    override _final(done: () => void): void {
      this.other?.push(null)
      done()
    }
    override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
      const { other } = this
      if (error !== null) setImmediate(() => other?.destroy(new Error('the tunnel was reset')))
      done(error)
    }
    override _read(): void {}
  }
  const near = new End({ allowHalfOpen: true })
  const far = new End({ allowHalfOpen: true })
  near.other = far
  far.other = near
  return { near, far }
}

const pairs: Readonly<Record<string, (t: Test) => Promise<Pair>>> = {
  TCP: socketPair,
  TLS: tlsPair,
  tunnel: tunnelPair,
}
const headers = [':method', 'POST', ':scheme', 'http', ':authority', 'web', ':path', '/'] as const

for (const [kind, pair] of Object.entries(pairs)) {
  t.test(`${kind}: large and small payloads pass both ways, one exchange after another`, async t => {
    const { near, far } = await pair(t)
    const connection = new Http1ServerConnection(far, { clock: systemClock, refused() {} })
    connection.onStream = stream => {
      stream.respond([':status', '200'], false)
      let owed = 0
      stream.onData = chunk => {
        if (stream.write(Buffer.from(chunk))) stream.consumed(chunk.length)
        else owed += chunk.length
      }
      stream.onDrain = () => {
        stream.consumed(owed)
        owed = 0
      }
      stream.onEnd = () => stream.end()
    }
    const client = new Http1ClientConnection(near, { clock: systemClock })
    for (const sizes of [[1, 70_000, 3], [200_000], [5, 5, 4097, 5], [1_000_000]]) {
      await until('idle', () => client.canOpen())
      const stream = client.open(headers, false)!
      const seen = watchExchange(stream)
      const sent = sizes.map(size => Buffer.alloc(size, 'abcdefghijk'))
      for (const part of sent) if (!stream.write(part)) await until('room', () => seen.drains > 0)
      stream.end()
      await until('the echo', () => seen.ended)
      t.ok(Buffer.concat(seen.data).equals(Buffer.concat(sent)), String(sizes))
    }
  })

  t.test(`${kind}: a response that is broken off is noticed`, async t => {
    const { near, far } = await pair(t)
    const connection = new Http1ServerConnection(far, { clock: systemClock, refused() {} })
    const requests: Seen[] = []
    connection.onStream = (stream, head, endStream) => {
      requests.push(watchExchange(stream, head, endStream))
      stream.respond([':status', '200'], false)
      stream.write(Buffer.from('part'))
    }
    const client = new Http1ClientConnection(near, { clock: systemClock })
    const seen = watchExchange(client.open(headers, true)!)
    await until('a part', () => seen.data.length === 1)
    requests[0]!.stream.reset(h2Error.internal)
    await until('the reset', () => seen.reset !== undefined)
    t.equal(seen.ended, false)
    t.equal(client.canOpen(), false)
  })
}
