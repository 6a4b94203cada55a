import t from 'tap'
import type { FakeNomad } from '../fakes/nomad.ts'
import { type NomadFault, tooManyConnections } from '../fakes/nomad-faults.ts'
import { eventually, until } from '../support/eventually.ts'
import { nomadWorld, runJob, workloadOf } from '../support/nomad-driver.ts'
import { endpointsOf } from '../support/watch-adapter.ts'

const isStream = (request: { path: string }) => request.path === '/v1/event/stream'

const faults: readonly (readonly [string, NomadFault, RegExp])[] = [
  ['has no leader', { kind: 'status', status: 500, body: 'No cluster leader' }, /no leader.*No cluster leader/],
  ['says so only after a while', { kind: 'no-leader', afterMs: 30 }, /no leader/],
  ['is overloaded', { kind: 'status', status: 503, body: 'busy' }, /status 503/],
  ['has too many connections of us', { kind: 'raw', bytes: tooManyConnections }, /limits the connections/],
  ['refuses the token', { kind: 'status', status: 403, body: 'Permission denied' }, /refuses the token/],
  ['has seen the token expire', { kind: 'status', status: 500, body: 'ACL token expired' }, /refuses the token/],
  ['answers garbage', { kind: 'garbage' }, /no json/],
  ['answers with another shape', { kind: 'body', body: 'a login page' }, /another shape|no list|no event/],
  ['answers null', { kind: 'body', body: null }, /another shape|no list|no event/],
  ['breaks off its answers', { kind: 'cut', midway: true }, /cannot be read|broke off|no event|stays empty/],
  ['hangs up', { kind: 'cut', midway: false }, /cannot be read/],
  ['does not answer', { kind: 'hang' }, /in time|stays empty/],
]

for (const [what, fault, reason] of faults) {
  for (const events of [true, false]) {
    t.test(
      `a Nomad that ${what} keeps its last view, ${events ? 'by events' : 'by polling'}, and recovers`,
      async t => {
        const { fake, watch } = await nomadWorld(t)
        const base: FakeNomad['fault'] = request => (!events && isStream(request) ? { kind: 'hang' } : undefined)
        fake.fault = base
        const watched = watch()
        const before = await watched.view(view => endpointsOf(view, 'api')?.length === 1)
        await watched.stands('fresh')
        fake.fault = () => fault
        fake.cut()
        await watched.stands('failing', reason)
        t.same(watched.views, [before])
        fake.fault = base
        await watched.stands('fresh')
        runJob(fake, 'web')
        await watched.view(view => endpointsOf(view, 'web')?.length === 1)
        for (const view of watched.views) t.equal(endpointsOf(view, 'api')?.length, 1)
      },
    )
  }
}

for (const path of [
  '/v1/services',
  '/v1/service/api',
  '/v1/allocations',
  '/v1/nodes',
  '/v1/allocation/',
  '/v1/node/',
]) {
  t.test(`a fault of ${path} alone is a failure, nothing is shown without it, and it heals`, async t => {
    const { fake, watch } = await nomadWorld(t)
    const status = { kind: 'status', status: 500, body: 'sick' } as const
    fake.fault = request => (`${request.path}/`.startsWith(path.endsWith('/') ? path : `${path}/`) ? status : undefined)
    const watched = watch()
    await watched.stands('failing', /sick/)
    t.same(watched.views, [])
    fake.fault = () => undefined
    await watched.view(view => endpointsOf(view, 'api')?.length === 1)
    await watched.stands('fresh')
  })
}

// The event stream.

t.test(
  'a stream without its first heartbeat is refused: changes are found by polling, which is logged once',
  async t => {
    const { fake, watch, log } = await nomadWorld(t)
    fake.fault = request => (isStream(request) ? { kind: 'hang' } : undefined)
    const watched = watch({
      client: { address: fake.address, limits: { firstHeartbeatMs: 50 } },
      pace: { resyncMs: 200 },
    })
    await watched.view(view => endpointsOf(view, 'api')?.length === 1)
    await watched.stands('fresh')
    runJob(fake, 'web')
    await watched.view(view => endpointsOf(view, 'web')?.length === 1)
    await until('the stream is tried again', () => fake.requests.filter(isStream).length >= 3)
    const lines = () =>
      log.lines
        .map(({ message }) => message)
        .filter(message => message.includes('events') || message.includes('event stream'))
    t.same(lines(), ['nomad refuses its event stream, changes are found by polling'])
    fake.fault = () => undefined
    await until('the stream is established', () => fake.streams.open === 1)
    await until('it is said', () => lines().length === 2)
    t.equal(lines()[1], 'nomad gives its events again')
    runJob(fake, 'db')
    await watched.view(view => endpointsOf(view, 'db')?.length === 1)
    t.ok(
      watched.health.every(({ kind }) => kind === 'fresh'),
      'none of it is a failure',
    )
  },
)

t.test('the stream is established before anything is read', async t => {
  const { fake, watch } = await nomadWorld(t)
  const watched = watch()
  await watched.view(view => endpointsOf(view, 'api')?.length === 1)
  t.ok(fake.requests[0] !== undefined && isStream(fake.requests[0]))
  t.same(fake.requests[0]?.query.getAll('topic'), ['Service', 'Allocation', 'Node'])
  t.equal(fake.requests[0]?.namespace, '*')
})

t.test('what happens while everything is being read is not missed', async t => {
  const { fake, watch } = await nomadWorld(t)
  let done = false
  fake.fault = request => {
    // The list of names has been read by then, and does not have it.
    if (request.path === '/v1/service/api' && !done) {
      done = true
      setImmediate(() => runJob(fake, 'web'))
    }
    return undefined
  }
  const watched = watch({ pace: { resyncMs: 600_000 } })
  await watched.view(view => endpointsOf(view, 'web')?.length === 1)
})

t.test('events that were lost are made good by the next complete read', async t => {
  const { fake, watch } = await nomadWorld(t)
  const watched = watch({ pace: { resyncMs: 300 } })
  await watched.view(view => endpointsOf(view, 'api')?.length === 1)
  fake.streams.dropping = true
  runJob(fake, 'web')
  fake.cluster.stopJob('api')
  fake.streams.dropping = false
  const view = await watched.view(view => endpointsOf(view, 'web')?.length === 1)
  t.equal(endpointsOf(view, 'api'), undefined)
})

t.test('a stream that ends is opened again, and everything read again', async t => {
  const { fake, watch } = await nomadWorld(t)
  const watched = watch()
  await watched.view(view => endpointsOf(view, 'api')?.length === 1)
  fake.streams.dropping = true
  runJob(fake, 'web')
  fake.streams.close()
  fake.streams.dropping = false
  await watched.view(view => endpointsOf(view, 'web')?.length === 1)
  t.ok(
    watched.health.every(({ kind }) => kind === 'fresh'),
    'an end is no failure when it goes on',
  )
})

t.test('a stream that falls silent is opened again, and everything read again', async t => {
  const { fake, watch } = await nomadWorld(t, { heartbeatMs: 50 })
  const watched = watch({ client: { address: fake.address, limits: { silenceMs: 200 } } })
  await watched.view(view => endpointsOf(view, 'api')?.length === 1)
  fake.streams.silent = true
  runJob(fake, 'web')
  await until('it is tried again', () => fake.requests.filter(isStream).length >= 2)
  fake.streams.silent = false
  await watched.view(view => endpointsOf(view, 'web')?.length === 1)
  await watched.stands('fresh')
})

t.test('events that are sent twice, or of long ago, change nothing', async t => {
  const { fake, watch } = await nomadWorld(t)
  const watched = watch()
  await watched.view(view => endpointsOf(view, 'api')?.length === 1)
  fake.cluster.stopJob('api')
  runJob(fake, 'web')
  const seen = await watched.view(
    view => endpointsOf(view, 'web')?.length === 1 && endpointsOf(view, 'api') === undefined,
  )
  await eventually(() => {
    if (workloadOf(watched.views.at(-1) ?? seen, 'web')?.health !== 'healthy') throw new Error('not running yet')
  })
  const views = watched.views.length
  for (let times = 0; times < 3; times += 1) {
    const before = fake.requests.length
    fake.streams.close()
    await until('all is replayed and read', () => fake.requests.slice(before).some(({ path }) => path === '/v1/nodes'))
  }
  runJob(fake, 'db')
  await watched.view(view => endpointsOf(view, 'db')?.length === 1)
  t.ok(watched.views.slice(views).every(view => endpointsOf(view, 'api') === undefined))
})

t.test('the type of an event does not tell a removal: registrations of a lost node go as PlanResult', async t => {
  const { fake, watch } = await nomadWorld(t)
  runJob(fake, 'web', {}, { on: ['client-b'] })
  const watched = watch({ pace: { resyncMs: 600_000 } })
  await watched.view(view => view.workloads.size === 2)
  fake.nodes.lose('client-b')
  await watched.view(view => endpointsOf(view, 'web') === undefined && endpointsOf(view, 'api')?.length === 1)
})

t.test('a snapshot that is restored: indexes go back, streams fall silent, and what was since is gone', async t => {
  const { fake, watch, log } = await nomadWorld(t, { heartbeatMs: 50 })
  const watched = watch({ client: { address: fake.address, limits: { silenceMs: 200 } } })
  await watched.view(view => endpointsOf(view, 'api')?.length === 1)
  const snapshot = fake.state.snapshot()
  for (let times = 0; times < 5; times += 1) runJob(fake, 'web', { tags: [`t${times}`] })
  await watched.view(view => workloadOf(view, 'web')?.labels['nomad.tag/t4'] === 'true')
  fake.restore(snapshot)
  fake.streams.silent = false
  fake.streams.close()
  await watched.view(view => endpointsOf(view, 'web') === undefined && endpointsOf(view, 'api')?.length === 1)
  await until('it is logged', () => log.lines.some(({ message }) => message.includes('index of nomad has fallen')))
  runJob(fake, 'web', { tags: ['again'] })
  await watched.view(view => workloadOf(view, 'web')?.labels['nomad.tag/again'] === 'true')
  await watched.view(view => workloadOf(view, 'web')?.health === 'healthy')
})

// Polling with blocking queries.

t.test('an index that falls is asked for anew, and the state behind it is read', async t => {
  const { fake, watch } = await nomadWorld(t)
  fake.fault = request => (isStream(request) ? { kind: 'hang' } : undefined)
  const watched = watch({ client: { address: fake.address, limits: { firstHeartbeatMs: 30 } }, pace: { waitMs: 100 } })
  await watched.view(view => endpointsOf(view, 'api')?.length === 1)
  const snapshot = fake.state.snapshot()
  for (let times = 0; times < 5; times += 1) runJob(fake, 'web', { tags: [`t${times}`] })
  await watched.view(view => workloadOf(view, 'web')?.labels['nomad.tag/t4'] === 'true')
  fake.restore(snapshot)
  await watched.view(view => endpointsOf(view, 'web') === undefined)
  runJob(fake, 'db')
  await watched.view(view => endpointsOf(view, 'db')?.length === 1)
})

t.test('a wait that times out is no news, and a missing index slows the loop down', async t => {
  const { fake, watch } = await nomadWorld(t)
  fake.fault = request => (isStream(request) ? { kind: 'hang' } : undefined)
  const watched = watch({ client: { address: fake.address, limits: { firstHeartbeatMs: 30 } }, pace: { waitMs: 20 } })
  await watched.view(view => endpointsOf(view, 'api')?.length === 1)
  const waits = () => fake.requests.filter(({ path, index }) => path === '/v1/nodes' && index > 0)
  await until('waits have timed out', () => waits().length > 5)
  t.equal(fake.requests.filter(({ path }) => path === '/v1/service/api').length, 1, 'nothing is read for it')
  t.equal(watched.views.length, 1)
  t.equal(waits()[0]?.waitMs, 20)
  fake.fault = request =>
    isStream(request)
      ? { kind: 'hang' }
      : request.path === '/v1/nodes'
        ? { kind: 'index', index: undefined }
        : undefined
  runJob(fake, 'web')
  await watched.view(view => endpointsOf(view, 'web')?.length === 1)
})

t.test('a stale answer of a server that never had a leader is 200 and empty, and is not believed', async t => {
  const { fake, watch } = await nomadWorld(t)
  const watched = watch({ stale: true })
  await watched.view(view => endpointsOf(view, 'api')?.length === 1)
  t.ok(fake.requests.some(({ path, stale }) => path === '/v1/service/api' && stale))
  await watched.stands('fresh')
  fake.fault = ({ path }) => (path === '/v1/service/api' ? { kind: 'no-leader', afterMs: 1 } : undefined)
  runJob(fake, 'api', { tags: ['v2'] })
  await watched.stands('failing', /no leader/)
  t.ok(watched.views.every(view => endpointsOf(view, 'api')?.length === 1))
  fake.fault = () => undefined
  await watched.view(view => workloadOf(view, 'api')?.labels['nomad.tag/v2'] === 'true')
})

t.test('a follower that lags behind an event is not believed before the leader says the same', async t => {
  const { fake, watch } = await nomadWorld(t)
  const watched = watch({ stale: true, pace: { resyncMs: 600_000 } })
  await watched.view(view => endpointsOf(view, 'api')?.length === 1)
  fake.fault = ({ path, stale }) => {
    return path === '/v1/service/api' && stale ? { kind: 'index', index: 1 } : undefined
  }
  const asked = () => fake.requests.filter(({ path, stale }) => path === '/v1/service/api' && !stale).length
  t.equal(asked(), 0)
  runJob(fake, 'api', { tags: ['v2'] })
  await watched.view(view => workloadOf(view, 'api')?.labels['nomad.tag/v2'] === 'true')
  t.ok(asked() > 0)
})
