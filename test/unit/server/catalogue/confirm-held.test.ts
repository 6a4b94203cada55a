import { createServer } from 'node:net'
import t from 'tap'
import type { RegistrySnapshot } from '../../../../mesh/model/catalogue.ts'
import type { Workload } from '../../../../mesh/model/workload.ts'
import { silentLog } from '../../../../mesh/std/log.ts'
import { type Table, tableOf } from '../../../../mesh/std/table.ts'
import { Watch } from '../../../../mesh/std/watch.ts'
import { startConfirmHeld } from '../../../../server/catalogue/confirm-held.ts'
import { answersTcp } from '../../../../server/catalogue/tcp-answers.ts'
import type { NodeRegistrations, ProbedHealth } from '../../../../server/health/host-reports.ts'
import { FakeClock } from '../../../fakes/clock.ts'
import { service, snapshotOf, workload } from '../../../support/catalogue.ts'
import { eventually } from '../../../support/eventually.ts'

function start(
  t: { teardown(stop: () => unknown): unknown },
  workloads: readonly Workload[],
  alive: ReadonlySet<string>,
) {
  const clock = new FakeClock()
  const held = new Watch<Table<Workload>>(tableOf())
  const probed = new Watch<Table<readonly ProbedHealth[]>>(tableOf())
  const reporting = new Watch<Table<NodeRegistrations>>(tableOf())
  const snapshot = new Watch<RegistrySnapshot | undefined>(
    snapshotOf(
      [
        service(
          'api',
          workloads.map(({ id }) => id),
        ),
      ],
      workloads,
    ),
  )
  const rounds: ReadonlyMap<string, boolean>[] = []
  const asked: string[] = []
  const confirm = startConfirmHeld({
    clock,
    log: silentLog,
    views: [{ name: 'r', snapshot, held, found: answers => void rounds.push(answers) }],
    probed,
    reporting,
    answers: async (address, port) => {
      asked.push(`${address}:${port}`)
      return alive.has(address)
    },
  })
  t.teardown(() => confirm.stop())
  const hold = () => held.set(tableOf(workloads.map(one => [one.id, one] as const)))
  const round = async (number: number) => {
    await eventually(async () => {
      await clock.advance(rounds.length < number ? 2000 : 0)
      if (rounds.length < number) throw new Error(`${rounds.length} rounds`)
    })
    return Object.fromEntries(rounds[number - 1] ?? [])
  }
  return { hold, round, asked, rounds, probed, reporting, held }
}

const living = workload({ id: 'r/living', address: '10.0.0.1' })
const dead = workload({ id: 'r/dead', address: '10.0.0.2' })

t.test('what answers stays, what does not answer twice is gone', async t => {
  const { hold, round, asked } = start(t, [living, dead], new Set(['10.0.0.1']))
  hold()
  t.same(await round(1), { 'r/living': true }, 'once is no proof')
  t.same(await round(2), { 'r/living': true, 'r/dead': false })
  t.same([...new Set(asked)].sort(), ['10.0.0.1:8080', '10.0.0.2:8080'])
})

t.test('nothing is asked while nothing is held', async t => {
  const { rounds, hold, held, round } = start(t, [living], new Set(['10.0.0.1']))
  t.equal(rounds.length, 0)
  hold()
  await round(1)
  held.set(tableOf())
  await new Promise(resolve => setImmediate(resolve))
  t.ok(rounds.length <= 2)
})

t.test('a host whose agent is in touch is asked instead, because it sees past the capture', async t => {
  const onHost = workload({ id: 'r/host', address: '10.0.0.3', node: 'vm-1' })
  const { hold, round, rounds, asked, probed, reporting } = start(t, [onHost], new Set(['10.0.0.3']))
  reporting.set(tableOf([['vm-1', { node: 'vm-1', connected: true, registrations: [] }]]))
  hold()
  t.same(await round(1), {}, 'the agent has not answered yet')
  probed.set(tableOf([['r/host', [{ node: 'vm-1', healthy: false, reason: 'refused', since: 0 }]]]))
  t.same(await round(rounds.length + 2), { 'r/host': false })
  t.same(asked, [])
})

t.test('where nobody can tell, nothing is said', async t => {
  const local = workload({ id: 'r/local', address: '127.0.0.1' })
  const { hold, round, asked } = start(t, [local], new Set())
  hold()
  t.same(await round(1), {})
  t.same(asked, [])
})

t.test('a connection tells a listener from nobody', async t => {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const { signal } = new AbortController()
  t.equal(await answersTcp('127.0.0.1', port, signal), true)
  await new Promise(resolve => server.close(resolve))
  t.equal(await answersTcp('127.0.0.1', port, signal), false)
  t.equal(await answersTcp('127.0.0.1', port, AbortSignal.abort()), false)
})

t.test('an agent that cannot tell, because no service uses the workload, is not waited for', async t => {
  const unused = workload({ id: 'r/unused', address: '10.0.0.4', node: 'vm-1' })
  const { hold, round, rounds, reporting } = start(t, [unused], new Set(['10.0.0.4']))
  reporting.set(tableOf([['vm-1', { node: 'vm-1', connected: true, registrations: [] }]]))
  hold()
  t.same(await round(1), {})
  await round(4)
  t.same(Object.fromEntries(rounds.at(-1) ?? []), { 'r/unused': true })
})
