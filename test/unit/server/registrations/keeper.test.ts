import t from 'tap'
import { silentLog } from '../../../../mesh/std/log.ts'
import type { Registration } from '../../../../mesh/wire/messages.ts'
import { createHostReports } from '../../../../server/health/host-reports.ts'
import { startRegistrationKeeper } from '../../../../server/registrations/keeper.ts'
import type { RegistrationRecord } from '../../../../server/store/store.ts'
import { FakeClock } from '../../../fakes/clock.ts'

const graceMs = 10_000

function one(values: Partial<Registration> = {}): Registration {
  return { group: 'default/pay', name: 'pay', address: '10.0.0.1', ports: {}, maintenance: '', ...values }
}

function world(kept: readonly RegistrationRecord[] = []) {
  const clock = new FakeClock(1_000_000)
  const reports = createHostReports({ clock })
  const saved: string[] = []
  const keeper = startRegistrationKeeper(
    {
      clock,
      log: silentLog,
      reports: reports.registrations,
      save: (node, list) => saved.push(`${node}: ${list.map(({ name }) => name).join(' ')}`),
    },
    { kept, graceMs },
  )
  return {
    clock,
    keeper,
    saved,
    left: (node: string) => reports.left(node),
    says: (node: string, ...registrations: Registration[]) => {
      reports.report(node, { kind: 'report', health: [], registrations })
    },
    standing: () => [...keeper.nodes.value].flatMap(([node, list]) => list.map(({ name }) => `${node}/${name}`)),
  }
}

t.test('what a host registers stands at once, and is saved', async t => {
  const { says, standing, saved, keeper } = world()
  says('vm-1', one(), one({ name: 'other', address: 'FD00::0:1' }))
  t.same(standing(), ['vm-1/pay', 'vm-1/other'])
  t.same(saved, ['vm-1: pay other'])
  t.match(keeper.nodes.value.get('vm-1'), [{ node: 'vm-1', since: 1_000_000 }, { address: 'fd00::1' }])
})

t.test('what a report does not name any more ends at once', async t => {
  const { says, standing, saved, keeper } = world()
  says('vm-1', one(), one({ name: 'other' }))
  says('vm-1', one())
  t.same(standing(), ['vm-1/pay'])
  says('vm-1')
  t.same(standing(), [])
  t.same(saved, ['vm-1: pay other', 'vm-1: pay', 'vm-1: '])
  t.equal(keeper.isLost('vm-1', 'pay'), false)
})

t.test('a host that is cut off keeps its registrations for the grace time, and loses them then', async t => {
  const { says, left, clock, standing, saved, keeper } = world()
  says('vm-0')
  says('vm-1', one())
  left('vm-1')
  await clock.advance(graceMs - 1)
  t.same(standing(), ['vm-1/pay'])
  await clock.advance(1)
  t.same(standing(), [])
  t.equal(saved.at(-1), 'vm-1: ')
  t.equal(keeper.isLost('vm-1', 'pay'), true)
  t.equal(keeper.isLost('vm-1', 'other'), false)
  says('vm-1', one())
  t.same(standing(), ['vm-1/pay'])
  t.equal(keeper.isLost('vm-1', 'pay'), false)
})

t.test('a host that comes back within the grace time loses nothing and is told as one that never left', async t => {
  const { says, left, clock, standing, keeper, saved } = world()
  says('vm-0')
  says('vm-1', one())
  const before = keeper.nodes.value
  left('vm-1')
  await clock.advance(graceMs - 1)
  says('vm-1', one())
  await clock.advance(10 * graceMs)
  t.same(standing(), ['vm-1/pay'])
  t.equal(keeper.nodes.value, before)
  t.same(saved, ['vm-1: pay'])
})

t.test('a host that says goodbye before it is cut off has nothing left to keep', async t => {
  const { says, left, standing, keeper } = world()
  says('vm-0')
  says('vm-1', one())
  says('vm-1')
  left('vm-1')
  t.same(standing(), [])
  t.equal(keeper.isLost('vm-1', 'pay'), false)
})

t.test('each host has its own grace time', async t => {
  const { says, left, clock, standing } = world()
  says('vm-0')
  for (const node of ['vm-1', 'vm-2']) says(node, one())
  left('vm-1')
  await clock.advance(4_000)
  left('vm-2')
  await clock.advance(6_000)
  t.same(standing(), ['vm-2/pay'])
  await clock.advance(4_000)
  t.same(standing(), [])
})

t.test('no time runs while nobody at all is connected, and then every host gets a minute', async t => {
  const { says, left, clock, standing } = world()
  for (const node of ['vm-1', 'vm-2', 'vm-3']) says(node, one())
  for (const node of ['vm-1', 'vm-2', 'vm-3']) left(node)
  await clock.advance(3_600_000)
  t.equal(standing().length, 3)
  says('vm-1', one())
  await clock.advance(59_999)
  t.equal(standing().length, 3)
  says('vm-2', one())
  await clock.advance(1)
  t.same(standing(), ['vm-1/pay', 'vm-2/pay'])
})

t.test('a restart of the server keeps what was saved until the hosts have had a minute to come back', async t => {
  const record = { ...one(), since: 5 }
  const { says, clock, standing, keeper, saved } = world([
    { ...record, node: 'vm-1' },
    { ...record, node: 'vm-2' },
  ])
  t.same(standing(), ['vm-1/pay', 'vm-2/pay'])
  await clock.advance(20_000)
  says('vm-1', one())
  t.same(saved, [], 'nothing has changed')
  t.match(keeper.nodes.value.get('vm-1'), [{ since: 5 }])
  await clock.advance(59_999)
  t.equal(standing().length, 2)
  await clock.advance(1)
  t.same(standing(), ['vm-1/pay'])
})

t.test('another group or address is a new claim, maintenance and ports are not', async t => {
  const { says, clock, keeper } = world()
  const sinceNow = () => keeper.nodes.value.get('vm-1')?.[0]?.since
  says('vm-1', one())
  const first = sinceNow()
  await clock.advance(1000)
  says('vm-1', one({ maintenance: 'why', ports: { http: 81 } }))
  t.equal(sinceNow(), first)
  says('vm-1', one({ address: '10.0.0.2' }))
  t.equal(sinceNow(), 1_001_000)
  await clock.advance(1000)
  says('vm-1', one({ address: '10.0.0.2', group: 'default/other' }))
  t.equal(sinceNow(), 1_002_000)
})

t.test('leaves no timer and no listener behind', async t => {
  const { says, left, clock, keeper, standing } = world()
  says('vm-0')
  says('vm-1', one())
  left('vm-1')
  keeper.stop()
  t.equal(clock.pending, 0)
  says('vm-2', one())
  t.same(standing(), ['vm-1/pay'])
})
