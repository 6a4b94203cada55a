import t from 'tap'
import type { RegistryStatus } from '../../../server/status.ts'
import { runCommand } from '../../support/command-line.ts'

const now = Date.UTC(2030, 0, 1, 12)
const minute = 60_000

const registry = (name: string, more: Partial<RegistryStatus> = {}): RegistryStatus => ({
  name,
  kind: 'consul',
  state: 'fresh',
  since: now - 3 * 24 * 60 * minute,
  services: 120,
  workloads: 450,
  problems: [],
  flapping: 0,
  ...more,
})

const show = (registries: readonly RegistryStatus[], line = 'registries') =>
  runCommand(line, { '/v1/status': { now, registries } })

t.test('every registry is shown with its state and the age of its last view', async t => {
  const { asked, printed } = await show([
    registry('resources', { kind: 'resources', services: 1, workloads: 0 }),
    registry('consul-dc1', { state: 'stale', since: now - 4 * minute, reason: 'connection refused' }),
    registry('nomad', { kind: 'nomad', state: 'starting', since: now - 20_000, services: 0, workloads: 0 }),
  ])
  t.same(asked, ['GET /v1/status'])
  t.equal(
    printed,
    `REGISTRY    KIND       STATE          LAST VIEW  SERVICES  WORKLOADS  HELD  FLAPPING  LEFT OUT
resources   resources  fresh 3 d      current    1         0          -     0         0
consul-dc1  consul     stale 4 min    4 min old  120       450        -     0         0
nomad       nomad      starting 20 s  none       0         0          -     0         0

! registry consul-dc1 is stale since 2030-01-01T11:56:00Z: connection refused; its last view stays in use
! registry nomad has not answered yet; agents get no new configuration before every registry has`,
  )
  for (const line of printed.split('\n').slice(0, 5)) t.ok(line.length <= 100, line)
})

t.test('what is held back is shown with numbers, how long and why, and how to let it go', async t => {
  const held = { since: now - 2 * minute, until: now + 8 * minute, workloads: 200, services: 1, answering: 0 }
  const { printed } = await show([
    registry('a', { held }),
    registry('b', { held: { ...held, services: 0, answering: 150 } }),
    registry('c', { held: { ...held, workloads: 1, services: 0, answering: 1 } }),
  ])
  t.match(printed, /^a .* 201 +0 +0$/m)
  t.match(
    printed,
    '! registry a: 1 service and 200 workloads disappeared at once 2 min ago and stay in use for 8 min more; if they are really gone: weft registries confirm a',
  )
  t.match(
    printed,
    '! registry b: 200 workloads disappeared at once 2 min ago; 150 of them still answer and stay in use until that is confirmed; if',
  )
  t.match(printed, '1 workload of them still answers and stays in use')
})

t.test('flapping workloads and items that were left out have a line each', async t => {
  const problems = [{ item: 'web\u001b[2J', reason: 'no port' }]
  const { printed } = await show([registry('consul', { flapping: 3, problems })])
  t.match(printed, /^consul .* - +3 +1$/m)
  t.match(printed, '! registry consul: the health of 3 workloads keeps changing and is held steady meanwhile')
  t.match(printed, '! registry consul: web?[2J: no port')
})

t.test('the list is what is shown when nothing else is said, also as JSON', async t => {
  const all = [registry('consul')]
  t.equal((await show(all)).printed, (await show(all, 'registries list')).printed)
  t.same(JSON.parse((await show(all, 'registries -o json')).printed), all)
  t.equal((await show([])).printed, 'no registry is configured')
})
