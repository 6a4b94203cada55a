import { createServer, get, type RequestListener } from 'node:http'
import t from 'tap'
import type { EjectionNotice } from '../../../../agent/dataplane/messages.ts'
import { ThreadCore } from '../../../../agent/dataplane/thread-core.ts'
import { SharedCounts } from '../../../../agent/dataplane/upstream/shared-counts.ts'
import { systemClock, systemRandom } from '../../../../mesh/std/clock.ts'
import { aConfig, aPlainEndpoint, aService, aWorkload } from '../../../support/agent-config.ts'
import { identityOf } from '../../../support/data-threads.ts'
import { until } from '../../../support/eventually.ts'
import { routingWorld } from '../../../support/routing-world.ts'

interface Teardown {
  teardown(stop: () => unknown): void
}

async function anOrigin(t: Teardown, serve: RequestListener): Promise<number> {
  const server = createServer(serve)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('not bound')
  return address.port
}

/** Threads of one agent that call the origin as the service `api`, by what the DestinationRule says. */
async function threadsOf(t: Teardown, count: number, origin: number, policy: string) {
  const notices: EjectionNotice[] = []
  const buffer = SharedCounts.buffer(count)
  const service = aService({
    external: true,
    endpoints: [aPlainEndpoint({ address: '127.0.0.1', ports: { http: origin } })],
  })
  const rule = `DestinationRule default/api { host: api.default.mesh, trafficPolicy: ${policy} }`
  const config = aConfig({
    workloads: [aWorkload()],
    services: [service],
    traffic: routingWorld([], [rule]).traffic,
  })
  const ports: number[] = []
  for (let thread = 0; thread < count; thread += 1) {
    const core = new ThreadCore(
      { counts: { buffer, thread, threads: count } },
      systemClock,
      systemRandom,
      { originalDst: () => ({ address: '240.240.0.1', port: 80 }), callerOf: async () => undefined },
      undefined,
      notice => notices.push(notice),
    )
    t.teardown(() => core.drain(0))
    const role = { kind: 'outbound', identity: identityOf('web') } as const
    const [bound] = await core.listen([{ name: 'only', role, host: '127.0.0.1', port: 0 }])
    core.config(config)
    ports.push(bound?.port ?? 0)
  }
  return { ports, notices, counts: new SharedCounts(buffer, 0, count) }
}

function statusAt(port: number, path = '/'): Promise<number> {
  return new Promise((resolve, reject) => {
    get({ port, host: '127.0.0.1', path, agent: false, headers: { host: 'api.default.mesh' } }, answer => {
      answer.resume()
      answer.on('end', () => resolve(answer.statusCode ?? 0))
    }).on('error', reject)
  })
}

t.test('a limit holds for all threads together, and what waits in one goes on when another is done', async t => {
  const waiting: (() => void)[] = []
  const origin = await anOrigin(t, (_incoming, outgoing) => waiting.push(() => outgoing.end()))
  const policy = '{ connectionPool: { tcp: { maxConnections: 1 }, http: { http1MaxPendingRequests: 1 } } }'
  const { ports, counts } = await threadsOf(t, 2, origin, policy)
  const [one = 0, two = 0] = ports
  const first = statusAt(one)
  await until('the first is at the origin', () => waiting.length === 1)
  const second = statusAt(two)
  const slot = counts.slot(`${identityOf('web')} outbound|80||api.default.mesh`) ?? 0
  const pending = 1
  await until('the second waits', () => counts.total(slot, pending) === 1)
  t.equal(await statusAt(one), 503)
  t.equal(waiting.length, 1)
  waiting[0]?.()
  t.equal(await first, 200)
  await until('the second is at the origin', () => waiting.length === 2)
  waiting[1]?.()
  t.equal(await second, 200)
})

t.test('ejections and returns are told, with cause and time', async t => {
  const origin = await anOrigin(t, (incoming, outgoing) => {
    outgoing.statusCode = incoming.url === '/bad' ? 500 : 200
    outgoing.end()
  })
  const policy = '{ outlierDetection: { consecutive5xxErrors: 2, interval: 20ms, baseEjectionTime: 30ms } }'
  const { ports, notices } = await threadsOf(t, 1, origin, policy)
  await statusAt(ports[0] ?? 0, '/bad')
  t.strictSame(notices, [])
  await statusAt(ports[0] ?? 0, '/bad')
  const about = { cluster: 'outbound|80||api.default.mesh', endpoint: `127.0.0.1:${origin}` }
  await until('it is back', () => notices.length === 2)
  t.strictSame(notices, [
    { kind: 'ejected', cause: 'consecutive-5xx', forMs: 30, ...about },
    { kind: 'returned', ...about },
  ])
})
