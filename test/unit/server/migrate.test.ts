import t, { type Test } from 'tap'
import type { CatalogueWorkload, RegistrySnapshot } from '../../../mesh/model/catalogue.ts'
import type { Service } from '../../../mesh/model/service.ts'
import type { Workload } from '../../../mesh/model/workload.ts'
import { tableOf } from '../../../mesh/std/table.ts'
import { Watch } from '../../../mesh/std/watch.ts'
import { type MigrationRequest, migrate } from '../../../server/migrate.ts'
import { openResources } from '../../../server/resources.ts'
import type { RegistryStatus } from '../../../server/status.ts'
import { openSqliteStore } from '../../../server/store/sqlite.ts'
import { FakeClock } from '../../fakes/clock.ts'
import { catalogueOf, catalogueWorkload, service, snapshotOf, workload } from '../../support/catalogue.ts'
import { recordedLog } from '../../support/recorded-log.ts'

const names = ['resources', 'consul', 'nomad', 'files']

interface Given {
  /** Health or more of single workloads, by id. */
  readonly workloads?: Readonly<Record<string, Partial<CatalogueWorkload>>>
  /** How nomad describes the service. */
  readonly nomad?: Partial<Service>
  readonly rule?: string
  readonly registries?: readonly Pick<RegistryStatus, 'name' | 'state' | 'reason'>[]
}

/** Service pay with two endpoints in consul and two in nomad, none in files. */
async function open(t: Test, given: Given = {}) {
  const clock = new FakeClock()
  const log = recordedLog()
  const store = openSqliteStore(':memory:', { log })
  t.teardown(() => store.close())
  const resources = await openResources(store.resources, {
    clock,
    log,
    rootNamespace: 'weft-system',
    registries: names,
    workloads: () => [],
  })
  t.teardown(() => resources.stop())
  const all: Workload[] = ['consul/1', 'consul/2', 'nomad/1', 'nomad/2'].map(id => workload({ id }))
  const view = (name: string, services: readonly Service[]) => {
    const own = all.filter(one => one.registry === name)
    return { name, snapshot: new Watch<RegistrySnapshot | undefined>(snapshotOf(services, own)) }
  }
  const views = [
    view('resources', []),
    view('consul', [service('pay', ['consul/1', 'consul/2'])]),
    view('nomad', [service('pay', ['nomad/1', 'nomad/2'], given.nomad)]),
    view('files', []),
  ]
  const health = new Map(Object.entries(given.workloads ?? {}))
  const catalogue = () => ({
    ...catalogueOf([], []),
    workloads: tableOf(all.map(one => [one.id, { ...catalogueWorkload(one), ...health.get(one.id) }] as const)),
  })
  const merge = { rule: given.rule ?? 'error', services: [], rootNamespace: 'weft-system' }
  const status = { kind: 'consul', since: 0, services: 1, workloads: 2, problems: [], flapping: 0 }
  const registries = () => (given.registries ?? []).map(one => ({ ...status, ...one }))
  const move = (more: Partial<MigrationRequest> = {}) => {
    const standard = { namespace: 'default', name: 'pay', from: 'consul', to: 'nomad' }
    const request: MigrationRequest = { ...standard, move: { kind: 'by', percent: 10 }, ...more }
    return migrate({ resources, merge, views, catalogue, registries }, request)
  }
  const apply = (name: string, spec: object, namespace = 'default') => {
    const document = { apiVersion: 'weft.dev/v1', kind: 'ServiceMerge', metadata: { name, namespace }, spec }
    return resources.apply(JSON.stringify(document), 'a.yaml', { dryRun: false })
  }
  const rules = () => resources.current.value
  return { clock, resources, store, health, move, apply, rules }
}

const refused = 'WEFT_MIGRATION_REFUSED'

t.test('the first step starts from everything and makes a rule, each further one changes it', async t => {
  const { move, rules } = await open(t)
  t.same(await move(), {
    service: 'default/pay',
    from: { registry: 'consul', before: 100, after: 90, endpoints: 2, healthy: 2 },
    to: { registry: 'nomad', before: 0, after: 10, endpoints: 2, healthy: 2 },
    rule: 'ServiceMerge default/pay',
    changed: true,
  })
  t.match(rules(), [
    { metadata: { name: 'pay' }, spec: { services: ['pay'], rule: 'union', weights: { consul: 90, nomad: 10 } } },
  ])
  t.match(await move(), { from: { before: 90, after: 80 }, to: { before: 10, after: 20 } })
  t.match(await move({ move: { kind: 'to', percent: 95 } }), { from: { after: 5 }, to: { after: 95 } })
  t.match(await move(), { from: { before: 5, after: 0 }, to: { after: 100 } })
  t.match(await move(), { changed: false, from: { before: 0, after: 0 } })
  t.match(rules(), [{ spec: { weights: { consul: 0, nomad: 100 } } }])
})

t.test('everything goes back at once, and nothing is written where nothing was moved', async t => {
  const { move, rules } = await open(t)
  const back = { kind: 'to', percent: 0 } as const
  t.match(await move({ move: back }), { changed: false })
  t.same(rules(), [])
  await move({ move: { kind: 'by', percent: 70 } })
  t.match(await move({ move: back }), { changed: true, from: { before: 30, after: 100 }, to: { after: 0 } })
})

t.test('a union without weights goes on from where its endpoints stand', async t => {
  const { move, rules } = await open(t, { rule: 'union', workloads: { 'consul/1': { weight: 5 } } })
  t.match(await move(), { from: { before: 75, after: 65 }, to: { before: 25, after: 35 } })
  t.match(rules(), [{ spec: { weights: { consul: 65, nomad: 35 } } }])
})

t.test('a rule that was there keeps its name, its place and the shares of others', async t => {
  const { move, apply, rules } = await open(t)
  await apply('shares', { services: ['default/pay'], rule: 'union', weights: { consul: 50, files: 50 } }, 'weft-system')
  t.match(await move(), { rule: 'ServiceMerge weft-system/shares', from: { after: 40 }, to: { after: 10 } })
  t.match(rules(), [{ spec: { services: ['default/pay'], weights: { consul: 40, nomad: 10, files: 50 } } }])
})

t.test('names that do not exist are told with those that do', async t => {
  const { move, rules } = await open(t)
  await t.rejects(move({ to: 'nomadd' }), { code: 'WEFT_NOT_FOUND', message: /nomadd/, next: /consul, nomad, files/ })
  await t.rejects(move({ name: 'payy' }), { code: 'WEFT_NOT_FOUND', message: /default\/payy/ })
  await t.rejects(move({ to: 'files' }), { code: refused, message: 'registry files does not know service default/pay' })
  await t.rejects(move({ to: 'consul' }), { code: 'WEFT_USAGE' })
  await t.rejects(move({ move: { kind: 'to', percent: 101 } }), { code: 'WEFT_USAGE', message: /100 percent at most/ })
  t.same(rules(), [])
})

t.test('nothing goes to a registry without an endpoint that takes connections', async t => {
  for (const [what, workloads] of [
    ['unhealthy', { 'nomad/1': { health: 'unhealthy' }, 'nomad/2': { health: 'draining' } }],
    ['held or without weight', { 'nomad/1': { held: true }, 'nomad/2': { weight: 0 } }],
  ] as const) {
    const { move, rules } = await open(t, { workloads })
    await t.rejects(move(), { code: refused, message: 'registry nomad has no healthy endpoint of default/pay' }, what)
    t.same(rules(), [], what)
  }
})

t.test('a step that asks for as many healthy endpoints as before is refused with fewer', async t => {
  const { move, health, rules } = await open(t)
  const { to } = await move()
  health.set('nomad/2', { health: 'unhealthy' })
  await t.rejects(move({ atLeastHealthy: to.healthy }), {
    code: refused,
    message: 'nomad has fewer healthy endpoints than before: 1 instead of 2',
  })
  t.match(rules(), [{ spec: { weights: { nomad: 10 } } }])
  t.match(await move(), { to: { after: 20, healthy: 1 } }, 'without asking it goes on')
})

t.test('going back is possible when the target has failed, but not to where nothing is healthy', async t => {
  const { move, health } = await open(t)
  await move({ move: { kind: 'by', percent: 50 } })
  for (const id of ['nomad/1', 'nomad/2']) health.set(id, { health: 'unhealthy' })
  const back = { move: { kind: 'to', percent: 0 } } as const
  for (const id of ['consul/1', 'consul/2']) health.set(id, { health: 'unhealthy' })
  await t.rejects(move(back), { code: refused, message: /registry consul has no healthy endpoint/ })
  health.delete('consul/1')
  t.match(await move(back), { from: { after: 100, healthy: 1 } })
})

t.test('nothing more goes to a registry that is out of touch, and what went can come back from it', async t => {
  const stale = [{ name: 'nomad', state: 'stale', reason: 'no answer' }] as const
  const { move, apply } = await open(t, { registries: stale })
  await t.rejects(move(), { code: refused, message: /nomad is stale.*no answer/ })
  await apply('pay', { services: ['pay'], rule: 'union', weights: { consul: 50, nomad: 50 } })
  t.match(await move({ move: { kind: 'to', percent: 20 } }), { to: { before: 50, after: 20 } })
})

t.test('a preferred registry is somebody’s decision', async t => {
  const { move, apply } = await open(t, { rule: 'prefer:consul' })
  await t.rejects(move(), { code: refused, message: 'merge.rule says that registry consul is preferred' })
  await apply('pay', { services: ['pay*'], rule: 'prefer', prefer: 'nomad' })
  await t.rejects(move(), { code: refused, message: /^ServiceMerge default\/pay says that registry nomad/ })
})

t.test('without a rule only the registry that has the traffic can give it away', async t => {
  const { move } = await open(t)
  await t.rejects(move({ from: 'nomad', to: 'consul' }), {
    code: refused,
    message: 'nothing merges the registries, so that all traffic goes to consul, not to nomad',
    next: 'migrate from consul to nomad',
  })
})

t.test('registries that mean different things by the name are not mixed', async t => {
  const ports = [{ name: 'http', port: 81, protocol: 'http' }] as const
  const { move } = await open(t, { nomad: { ports } })
  await t.rejects(move(), { code: refused, message: /consul and nomad do not agree: their ports differ/ })
})

t.test('a rule that is for other services too is not bent for one of them', async t => {
  const { move, apply } = await open(t)
  await apply('both', { services: ['pay', 'web'], rule: 'union' })
  await t.rejects(move(), { code: refused, message: 'ServiceMerge default/both is for other services too' })
  const other = await open(t)
  await other.apply('pay', { services: ['web'], rule: 'union' })
  await t.rejects(other.move(), { code: refused, message: 'ServiceMerge default/pay is for other services too' })
})

t.test('of two who step at once each does a step of its own', async t => {
  const { move, rules } = await open(t)
  await Promise.all([move(), move(), move()])
  t.match(rules(), [{ spec: { weights: { consul: 70, nomad: 30 } } }])
})
