import t from 'tap'
import type { Fault } from '../fakes/consul.ts'
import { createFaultyMesh } from './faulty-mesh.ts'

// A Consul that fails or answers nothing, while calls go on: none of them may fail as long as backends live.
const { hosts, tell, met, registrationOf, registerAll, registry, expectRegistry, well, expectNoLoss } =
  await createFaultyMesh(t)

const fault = (on: string, what: Fault) => tell({ do: 'fault', on, fault: what })

const notInTouch: readonly (readonly [string, Fault])[] = [
  ['no leader', { kind: 'status', status: 500, body: 'No cluster leader' }],
  ['an internal error', { kind: 'status', status: 500, body: 'oops' }],
  ['too many requests', { kind: 'status', status: 429, body: 'rate limit' }],
  ['a refusal', { kind: 'status', status: 403, body: 'Permission denied' }],
  ['garbage', { kind: 'garbage' }],
  ['wrong types', { kind: 'body', body: { api: 7 } }],
  ['answers that break off', { kind: 'cut', midway: true }],
  ['an answer that never comes', { kind: 'hang' }],
  ['a follower without a leader', { kind: 'no-leader' }],
]

for (const [title, what] of notInTouch) {
  t.test(`${title}: the registry is stale and everything goes on`, async t => {
    await fault('.', what)
    await expectRegistry('the registry is stale', ({ state }) => state === 'stale')
    t.match(await registry(), { workloads: 9, services: 3 })
    await expectNoLoss(t)
    await well()
  })
}

t.test('an empty answer, as a token gets that may read nothing, takes nothing away', async t => {
  await fault('.', { kind: 'empty' })
  await expectRegistry('it is doubted', ({ state, held }) => state === 'stale' || held !== undefined)
  t.match(await registry(), { workloads: 9, services: 3 })
  await expectNoLoss(t)
  await well()
})

t.test('one service answered empty keeps the endpoints that still answer', async t => {
  await fault('^service/echo$', { kind: 'empty' })
  await tell({ do: 'register', registration: { ...registrationOf(hosts.b, 'echo'), NodeMeta: { touched: 'now' } } })
  await met()
  t.equal((await registry()).workloads, 9)
  await expectNoLoss(t)
  await well()
})

t.test('half of a list is at worst half of the endpoints, and never a failed call', async t => {
  await tell({ do: 'half', on: '^service/' })
  await tell({ do: 'register', registration: { ...registrationOf(hosts.c, 'echo'), NodeMeta: { touched: 'again' } } })
  await met()
  await expectNoLoss(t)
  await tell({ do: 'well' })
  // a list that was wrong is right again with the next change of it
  await registerAll({ touched: 'after the half' })
  await well()
})

t.test('an index that falls brings nothing back and loses nothing', async t => {
  await fault('.', { kind: 'index', index: 1 })
  await met()
  await expectNoLoss(t)
  await well()
})
