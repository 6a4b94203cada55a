import t, { type Test } from 'tap'
import { systemClock } from '../../../../../mesh/std/clock.ts'
import { createNomadClient } from '../../../../../registry-adapters/nomad/client/client.ts'
import { failureOf } from '../../../../../registry-adapters/nomad/client/errors.ts'
import { FakeNomad } from '../../../../fakes/nomad.ts'
import { recording, startRawServer, wireOf } from '../../../../fakes/nomad-recorded.ts'
import { until } from '../../../../support/eventually.ts'

const { signal } = new AbortController()

t.test('recorded pages become one list', async t => {
  const pages = [recording('service-web-page1'), recording('service-web-page2')]
  const asked: string[] = []
  const server = await startRawServer((target, socket) => {
    asked.push(target)
    const page = pages[asked.length - 1]
    if (page !== undefined) socket.write(wireOf(page))
  })
  const client = createNomadClient({ address: server.address }, { clock: systemClock })
  t.teardown(() => server.stop())
  t.teardown(() => client.close())
  const list = await client.list('/v1/service/web', { perPage: 1 }, signal)
  const whole: readonly { ID: string }[] = JSON.parse(recording('service-web').body)
  t.same(new Set(list.body.map(one => Object(one).ID)), new Set(whole.map(one => one.ID)))
  t.equal(list.nextToken, undefined)
  t.same(
    asked,
    pages.map(one => one.path),
  )
})

t.test('all pages are read whatever their number, and only the first one blocks', async t => {
  const { fake, client } = await start(t, 7)
  for (const perPage of [1, 3, 7, 100]) {
    const list = await client.list('/v1/allocations', { namespace: '*', perPage }, signal)
    t.equal(new Set(list.body.map(one => Object(one).ID)).size, 7, `${perPage}`)
  }
  const { index } = await client.get('/v1/allocations', {}, signal)
  fake.requests.length = 0
  const held = client.list(
    '/v1/allocations',
    { index, waitMs: 10_000, perPage: 4, filter: 'ClientStatus == "running"' },
    signal,
  )
  await until('it is held', () => fake.open === 1)
  fake.cluster.runJob({ id: 'late', groups: [{ name: 'g' }] })
  t.ok((await held).body.length >= 7)
  t.same(
    fake.requests.map(one => one.index),
    [index, 0],
  )
  t.same(
    fake.requests.map(one => one.query.get('filter')),
    ['ClientStatus == "running"', 'ClientStatus == "running"'],
  )
})

t.test('the index of a list is that of its oldest page', async t => {
  const { fake, client } = await start(t, 3)
  fake.fault = () => ({ kind: 'index', index: 50 - fake.requests.length })
  t.equal((await client.list('/v1/allocations', { perPage: 1 }, signal)).index, 47)
})

t.test('one page of a server without a leader makes the list doubtful', async t => {
  const { fake, client } = await start(t, 3)
  fake.fault = ({ query }) => (query.has('next_token') ? { kind: 'no-leader', afterMs: 0 } : undefined)
  const list = await client.list('/v1/allocations', { perPage: 2, stale: true }, signal)
  t.match(list, { knownLeader: false, lastContactMs: 9223372036854 })
})

t.test('pages that go round in a circle are a bad answer', async t => {
  const wire = 'HTTP/1.1 200 OK\r\nX-Nomad-NextToken: again\r\nContent-Length: 3\r\n\r\n[1]'
  let asked = 0
  const server = await startRawServer((_, socket) => {
    asked += 1
    socket.write(wire)
  })
  const client = createNomadClient({ address: server.address }, { clock: systemClock })
  t.teardown(() => server.stop())
  t.teardown(() => client.close())
  const error = await client.list('/v1/nodes', {}, signal).catch(each => each)
  t.equal(failureOf(error), 'bad-answer')
  t.equal(asked, 2)
})

t.test('what is no list is a bad answer, on any page', async t => {
  const { fake, client } = await start(t, 3)
  for (const body of [null, {}, 'x', 3]) {
    fake.fault = () => ({ kind: 'body', body })
    t.equal(failureOf(await client.list('/v1/nodes', {}, signal).catch(error => error)), 'bad-answer')
    fake.fault = ({ query }) => (query.has('next_token') ? { kind: 'body', body } : undefined)
    t.equal(failureOf(await client.list('/v1/allocations', { perPage: 2 }, signal).catch(error => error)), 'bad-answer')
  }
})

t.test('a page that fails fails the list: half of it is nothing', async t => {
  const { fake, client } = await start(t, 4)
  fake.fault = ({ query }) => (query.has('next_token') ? { kind: 'status', status: 500, body: 'oh' } : undefined)
  t.equal(failureOf(await client.list('/v1/allocations', { perPage: 2 }, signal).catch(error => error)), 'server')
})

async function start(t: Test, allocations: number) {
  const fake = await FakeNomad.start()
  const client = createNomadClient({ address: fake.address }, { clock: systemClock })
  t.teardown(async () => {
    client.close()
    await fake.stop()
  })
  fake.cluster.addNode({ name: 'a', address: '10.0.0.1' })
  fake.cluster.runJob({ id: 'many', groups: [{ name: 'g', count: allocations }] })
  return { fake, client }
}
