import t, { type Test } from 'tap'
import { systemClock } from '../../../../../mesh/std/clock.ts'
import { createNomadClient } from '../../../../../registry-adapters/nomad/client/client.ts'
import { FakeClock } from '../../../../fakes/clock.ts'
import { FakeNomad } from '../../../../fakes/nomad.ts'
import { tooManyConnections } from '../../../../fakes/nomad-faults.ts'
import type { JobSpec } from '../../../../fakes/nomad-job.ts'
import { type NomadAllocation, recordedText } from '../../../../fakes/nomad-model.ts'
import { recording, recordingNames } from '../../../../fakes/nomad-recorded.ts'
import { misfits } from '../../../../fakes/nomad-shapes.ts'
import { until } from '../../../../support/eventually.ts'
import { httpOnce } from '../../../../support/http-json.ts'

const { signal } = new AbortController()

t.test('a held list of services is woken by any service, a held service only by its own', async t => {
  const { fake, client, clock } = await start(t)
  runApi(fake, 'one')
  const { index } = await client.get('/v1/services', {}, signal)
  const services = client.get('/v1/services', { index }, signal)
  const one = client.get('/v1/service/api-one', { index }, signal)
  const unborn = client.get('/v1/service/api-two', { index }, signal)
  await until('all are held', () => fake.open === 3)
  runApi(fake, 'two')
  t.ok((await services).index > index)
  t.match((await unborn).body, [{ ServiceName: 'api-two' }])
  t.equal(fake.open, 1)
  await clock.advance(62_000)
  const held = await one
  const recorded = recording('service-web-blocking-other-changed')
  t.match(
    recorded.headers,
    [['Content-Type'], ['Vary'], ['X-Nomad-Index', '156']],
    'recorded after 20 s: the old index',
  )
  t.equal(held.index, index, 'the index that it began with')
  t.match(held.body, [{ ServiceName: 'api-one' }])
})

t.test('an index above the newest holds for the whole wait and then tells the true one', async t => {
  const { fake, client, clock } = await start(t)
  runApi(fake, 'one')
  const { index } = await client.get('/v1/services', {}, signal)
  const held = client.get('/v1/service/api-one', { index: index + 1000, waitMs: 2_000 }, signal)
  await until('it is held', () => fake.open === 1)
  await clock.advance(2_100)
  t.equal((await held).index, index)
  t.match(recording('service-web-blocking-index-in-the-future').headers, [[], [], ['X-Nomad-Index', '190']])
  const old = await client.get('/v1/service/api-one', { index: 1 }, signal)
  t.equal(old.index, index, 'an older one is answered at once')
})

t.test('a wait is cut to five minutes', async t => {
  const { fake, clock } = await start(t)
  const held = httpOnce('GET', `${fake.address}/v1/services?index=99&wait=10m`)
  await until('it is held', () => fake.open === 1)
  await clock.advance(310_000)
  t.equal((await held).status, 200)
})

t.test('after a restore indexes are lower, and what was held or streamed hears nothing', async t => {
  const { fake, client, clock } = await start(t)
  runApi(fake, 'one')
  const snapshot = fake.state.snapshot()
  runApi(fake, 'two')
  const before = await client.get('/v1/services', {}, signal)
  const lines: number[] = []
  const following = (async () => {
    for await (const batch of client.events({ topics: ['Service'], namespace: '*' }, signal)) lines.push(batch.index)
  })()
  await until('the stream has begun', () => lines.length === 3)
  const held = client.get('/v1/services', { index: before.index, waitMs: 30_000 }, signal)
  await until('it is held', () => fake.open === 2)
  fake.restore(snapshot)
  t.equal(fake.open, 2)
  await clock.advance(32_000)
  const after = await held
  t.ok(after.index < before.index)
  t.match(after.body, [{ Services: [{ ServiceName: 'api-one' }] }])
  t.equal(lines.length, 3, 'not even a heartbeat')
  fake.streams.close()
  await following
  const indexes = JSON.parse(recordedText('restore/restore-3-blocking-old-index.headers.json'))
  t.match(indexes.request.path, 'index=308')
  t.match(indexes.headers, [[], [], ['X-Nomad-Index', '289']], 'as recorded')
})

t.test('what is wrong is wrong in the way that was recorded', async t => {
  const { fake, clock } = await start(t)
  const faulty = recording('errors/no-leader-services')
  fake.fault = () => ({ kind: 'no-leader', afterMs: 5_000 })
  const slow = httpOnce('GET', `${fake.address}${faulty.path}`)
  await until('it is asked', () => fake.open === 1)
  await clock.advance(5_000)
  t.match(await slow, { status: faulty.status, body: faulty.body })
  const stale = recording('errors/no-leader-services-stale')
  const { status, headers, body } = await httpOnce('GET', `${fake.address}${stale.path}`)
  t.same([status, body], [stale.status, stale.body])
  for (const [name, value] of stale.headers.filter(([one]) => one.startsWith('X-'))) {
    t.equal(headers[name.toLowerCase()], value, name)
  }
  t.equal(tooManyConnections, recordedText('errors/too-many-connections-429.raw.txt'))

  fake.fault = () => undefined
  fake.allows = () => false
  const id = '11111111-1111-1111-1111-111111111111'
  const denied = [
    ['acl/services-none', '/v1/services?namespace=*'],
    ['acl/service-acl-app-none', '/v1/service/web'],
    ['acl/nodes-none', '/v1/nodes'],
    ['acl/allocations-none', '/v1/allocations?namespace=*'],
  ] as const
  for (const [name, path] of denied) {
    const recorded = recording(name)
    t.equal(recorded.path.split('?')[0]?.split('/')[2], path.split('?')[0]?.split('/')[2])
    t.match(await httpOnce('GET', `${fake.address}${path}`), { status: recorded.status, body: recorded.body }, name)
  }
  const unknown = await httpOnce('GET', `${fake.address}/v1/allocation/${id}`)
  t.match(unknown, { status: 500, body: `Unknown allocation "${id}"` })
})

t.test('what is made by driving the cluster has the shape of what was recorded', async t => {
  const { fake, client } = await start(t)
  const { cluster } = fake
  for (const name of ['a', 'b'])
    cluster.addNode({ name, address: `10.0.0.${name === 'a' ? 1 : 2}`, meta: { rack: 'r' } })
  cluster.runJob(canaryJob('v1'))
  cluster.runJob(canaryJob('v2'))
  cluster.runJob({ id: 'agent', type: 'system', groups: [{ name: 'g', ports: { x: {} } }] })
  fake.nodes.beginDrain('b')
  const allocations = examplesOf('', 'allocation-').concat(examplesOf('canary/', 'allocation-'))
  for (const one of fake.state.allocations.values()) {
    t.same(misfits((await client.get(`/v1/allocation/${one.ID}`, {}, signal)).body, allocations), [], one.Name)
  }
  const stubs = [bodyOf('allocations-all'), bodyOf('canary/job-api-v2-allocations'), bodyOf('allocations')]
  const everything = { namespace: '*', params: { resources: 'true', task_states: 'true' } }
  t.same(misfits((await client.list('/v1/allocations', everything, signal)).body, stubs), [])
  const nodes = [...examplesOf('', 'node-client-'), ...examplesOf('drain/', 'node-client-')]
  for (const one of fake.state.nodes.values()) {
    t.same(misfits((await client.get(`/v1/node/${one.ID}`, {}, signal)).body, nodes), [], one.Name)
  }
  const nodeStubs = [bodyOf('nodes'), bodyOf('drain/nodes-draining')]
  t.same(misfits((await client.list('/v1/nodes', {}, signal)).body, nodeStubs), [])
  t.same(
    misfits(
      (await client.get('/v1/job/api', {}, signal)).body,
      examplesOf('', 'job-').concat(bodyOf('canary/job-api-v2')),
    ),
    [],
  )
  const services = await client.list('/v1/service/api', {}, signal)
  t.same(misfits(services.body, [bodyOf('canary/service-api-canary')]), [])
})

t.test('a canary has its own tags until it is promoted, and the same registration after', async t => {
  const { fake, client } = await start(t)
  fake.cluster.addNode({ name: 'a', address: '10.0.0.1' })
  fake.cluster.runJob(canaryJob('v1'))
  fake.cluster.runJob(canaryJob('v2'))
  const canary = await client.list('/v1/service/api', {}, signal)
  t.match(sortByTags(canary.body), [{ Tags: ['canary-v2'] }, { Tags: ['v1'] }])
  fake.cluster.promote('api')
  const promoted = await client.list('/v1/service/api', {}, signal)
  t.match(promoted.body, [{ Tags: ['v2'], ID: sortByTags(canary.body)[0]?.ID }])
  const recorded: readonly { ID: string; Tags: string[]; CreateIndex: number }[] = bodyOf('canary/service-api-promoted')
  const before: readonly { ID: string; Tags: string[]; CreateIndex: number }[] = bodyOf('canary/service-api-canary')
  const kept = recorded.find(one => one.Tags.includes('v2'))
  t.match(
    before.find(one => one.ID === kept?.ID),
    { Tags: ['v2', 'canary'], CreateIndex: kept?.CreateIndex },
    'as recorded',
  )
})

t.test('a failing check changes its result and nothing else', async t => {
  const { fake, client } = await start(t)
  runApi(fake, 'one')
  const [allocation] = fake.cluster.allocations('one')
  const services = await client.get('/v1/services', {}, signal)
  fake.cluster.setCheck('api-one', 'alive', 'failure', 'dial tcp: connection refused')
  const checks = await client.get(`/v1/allocation/${allocation?.ID}/checks`, {}, signal)
  t.match(Object.values(Object(checks.body)), [{ Status: 'failure', Service: 'api-one' }])
  t.same(misfits(Object.values(Object(checks.body)), examplesOf('health/', 'flap-2-checks').map(Object.values)), [])
  t.equal(checks.index, 0)
  t.same(await client.get('/v1/services', {}, signal), services)
  fake.nodes.lose('node-one')
  const answer = await httpOnce('GET', `${fake.address}/v1/allocation/${allocation?.ID}/checks`)
  const recorded = recording('node-down/allocation-web-lost-checks')
  t.match(answer, { status: recorded.status, body: recorded.body }, 'nobody to ask once the node is down')
})

t.test('in a bridge a service is where its address mode says', async t => {
  const { fake, client } = await start(t)
  fake.cluster.addNode({ name: 'a', address: '10.0.0.1' })
  const services = (['host', 'alloc'] as const).map(mode => ({ name: mode, port: 'http', addressMode: mode }))
  fake.cluster.runJob({ id: 'b', groups: [{ name: 'g', mode: 'bridge', ports: { http: { to: 8080 } }, services }] })
  t.match((await client.list('/v1/service/host', {}, signal)).body, [{ Address: '10.0.0.1', Port: 20_001 }])
  t.match((await client.list('/v1/service/alloc', {}, signal)).body, [{ Address: /^172\.26\.64\./, Port: 8080 }])
})

async function start(t: Test) {
  const clock = new FakeClock()
  const fake = await FakeNomad.start({ clock })
  const client = createNomadClient({ address: fake.address }, { clock: systemClock })
  t.teardown(async () => {
    client.close()
    await fake.stop()
  })
  return { fake, client, clock }
}

function runApi(fake: FakeNomad, name: string): void {
  fake.cluster.addNode({ name: `node-${name}`, address: '10.0.0.1' })
  const service = { name: `api-${name}`, port: 'http', checks: [{ name: 'alive' }] }
  const group = { name: 'g', on: [`node-${name}`], ports: { http: {} }, services: [service] }
  fake.cluster.runJob({ id: name, groups: [group] })
}

function canaryJob(version: string): JobSpec {
  const service = { name: 'api', port: 'http', tags: [version], canaryTags: [`canary-${version}`], meta: { version } }
  return { id: 'api', meta: { version }, groups: [{ name: 'g', canary: 1, ports: { http: {} }, services: [service] }] }
}

function bodyOf(name: string) {
  return JSON.parse(recording(name).body)
}

/** Recorded bodies of one kind. */
function examplesOf(under: string, prefix: string): readonly NomadAllocation[] {
  const names = recordingNames(under).filter(name => name.startsWith(`${under}${prefix}`))
  const whole = names.filter(
    name => !/(services|wrong-namespace|unknown|bad-id|allocations)$|allocation-\w+-checks/.test(name),
  )
  return whole.filter(name => recording(name).status === 200).map(bodyOf)
}

function sortByTags(body: readonly unknown[]): readonly { readonly ID: string }[] {
  const items = body as readonly { readonly ID: string; readonly Tags: readonly string[] }[]
  return [...items].sort((a, b) => (String(a.Tags) < String(b.Tags) ? -1 : 1))
}
