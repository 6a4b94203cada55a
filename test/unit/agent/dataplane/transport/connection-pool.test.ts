import t from 'tap'
import type { HttpClientConnection } from '../../../../../agent/dataplane/http/stream.ts'
import {
  ConnectionPool,
  type Dialled,
  type Origin,
  type Reuse,
} from '../../../../../agent/dataplane/transport/connection-pool.ts'
import { FakeClock } from '../../../../fakes/clock.ts'
import { PlayedStream } from '../../../../support/played-stream.ts'

/** A connection that the test opens, ends and loses. */
class PlayedConnection implements HttpClientConnection {
  onClose: HttpClientConnection['onClose'] = undefined
  openStreams = 0
  readonly capacity: number
  left = false

  constructor(capacity: number) {
    this.capacity = capacity
  }

  canOpen(): boolean {
    return !this.left && this.openStreams < this.capacity
  }

  open() {
    if (!this.canOpen()) return undefined
    this.openStreams += 1
    return new PlayedStream()
  }

  goaway(): void {
    this.left = true
    if (this.openStreams === 0) this.onClose?.('going away')
  }

  destroy(reason: string): void {
    this.left = true
    this.onClose?.(reason)
  }
}

function played(options: { readonly http2?: boolean; readonly maxRequests?: number } = {}) {
  const clock = new FakeClock()
  const pool = new ConnectionPool(clock)
  const dials: ((result: Dialled) => void)[] = []
  const connections: PlayedConnection[] = []
  let cancelled = 0
  const origin: Origin = {
    key: 'api',
    multiplexed: options.http2 ?? false,
    idleTimeoutMs: 60_000,
    maxRequestsPerConnection: options.maxRequests,
    dial(done) {
      dials.push(done)
      return {
        cancel() {
          cancelled += 1
        },
      }
    },
  }
  const connect = (capacity = options.http2 === true ? 100 : 1) => {
    const connection = new PlayedConnection(capacity)
    connections.push(connection)
    dials.shift()?.({ kind: 'connected', connection, localAddress: '127.0.0.1:1' })
    return connection
  }
  const results: string[] = []
  const ask = (reuse: Reuse = 'any') =>
    pool.open(origin, [':method', 'GET'], true, reuse, result => {
      results.push(result.kind === 'open' ? `open ${result.fresh ? 'fresh' : 'kept'}` : `failed ${result.detail}`)
    })
  return { origin, clock, pool, dials, connections, connect, ask, results, cancelled: () => cancelled }
}

t.test('a connection is used again once it is idle, and another is made while it is not', async t => {
  const { ask, connect, dials, results, pool } = played()
  ask()
  const first = connect()
  ask()
  t.equal(dials.length, 1, 'the first is busy')
  connect()
  first.openStreams = 0
  ask()
  t.strictSame(results, ['open fresh', 'open fresh', 'open kept'])
  t.equal(pool.connections, 2)
})

t.test('whoever wants none that was kept gets a new one', async t => {
  const { ask, connect, dials, results } = played()
  ask()
  connect().openStreams = 0
  ask('none')
  t.equal(dials.length, 1)
  connect()
  t.strictSame(results, ['open fresh', 'open fresh'])
})

t.test('what cannot be sent twice goes over a connection that was in use a moment ago, or a new one', async t => {
  const { ask, connect, clock, pool, results } = played()
  ask('recent')
  const first = connect()
  first.openStreams = 0
  await clock.advance(1_000)
  ask('recent')
  first.openStreams = 0
  await clock.advance(1_001)
  ask('recent')
  connect().openStreams = 0
  t.strictSame(results, ['open fresh', 'open kept', 'open fresh'])
  t.equal(pool.connections, 1, 'the old one is not kept beside the new one')
  await clock.advance(30_000)
  ask()
  t.strictSame(results.slice(3), ['open kept'], 'for others it is good enough')

  const http2 = played({ http2: true })
  http2.ask('recent')
  http2.connect()
  await http2.clock.advance(30_000)
  http2.ask('recent')
  t.strictSame(http2.results, ['open fresh', 'open kept'], 'HTTP/2 says itself what was not read')
})

t.test('requests of HTTP/2 wait for one connection and share it', async t => {
  const { ask, connect, dials, results } = played({ http2: true })
  ask()
  ask().cancel()
  ask()
  t.equal(dials.length, 1)
  connect()
  ask()
  t.strictSame(results, ['open fresh', 'open kept', 'open kept'])
})

t.test('a failure to connect is told to everybody who waited for it, and the next one tries anew', async t => {
  const { ask, dials, results, connect } = played({ http2: true })
  ask()
  ask()
  dials.shift()?.({ kind: 'failed', reason: 'UPSTREAM_CONNECT', detail: 'refused' })
  t.strictSame(results, ['failed refused', 'failed refused'])
  ask()
  connect()
  t.equal(results.at(-1), 'open fresh')
})

t.test('what waits for its connection can be given up', async t => {
  const { ask, cancelled } = played()
  ask().cancel()
  t.equal(cancelled(), 1)
})

t.test('a connection that is lost or has had its number of requests is not used again', async t => {
  const { ask, connect, results, pool } = played({ maxRequests: 1 })
  ask()
  const first = connect()
  t.ok(first.left)
  first.openStreams = 0
  first.onClose?.('done')
  t.equal(pool.connections, 0)
  ask()
  connect()
  t.strictSame(results, ['open fresh', 'open fresh'])
})

t.test('a connection that is made while the last other one is lost is kept', async t => {
  const { ask, connect, results, pool } = played()
  ask()
  const first = connect()
  ask()
  first.destroy('lost')
  connect().openStreams = 0
  t.equal(pool.connections, 1)
  ask()
  t.strictSame(results, ['open fresh', 'open fresh', 'open kept'])
})

t.test('idle connections are closed when their time is over, busy ones never', async t => {
  const { ask, connect, clock, pool } = played()
  ask()
  connect().openStreams = 0
  ask()
  const second = connect()
  for (let at = 0; at < 20; at += 1) clock.advance(5_000)
  t.equal(pool.connections, 1)
  t.notOk(second.left)
  pool.destroy('stopped')
  t.equal(pool.connections, 0)
})

t.test('a new connection is made as it was asked for last, not as the first one was', async t => {
  const { pool, origin, ask, connect } = played()
  ask()
  connect()
  const dialled: string[] = []
  const renewed = {
    ...origin,
    dial() {
      dialled.push('renewed')
      return { cancel() {} }
    },
  }
  pool.open(renewed, [':method', 'GET'], true, 'any', () => {})
  t.strictSame(dialled, ['renewed'])
})

t.test('whom a new connection has no room for gets another, and may still cancel', async t => {
  const { ask, connect, dials, results } = played({ http2: true })
  ask()
  ask()
  const third = ask()
  connect(1)
  t.strictSame(results, ['open fresh'])
  t.equal(dials.length, 1)
  third.cancel()
  connect(2)
  t.strictSame(results, ['open fresh', 'open fresh'])
})

t.test('a connection that takes nothing is not made again and again', async t => {
  const { ask, connect, dials, results } = played({ http2: true })
  ask()
  connect(0)
  t.strictSame(results, ['failed the new connection took no request'])
  t.equal(dials.length, 0)
})
