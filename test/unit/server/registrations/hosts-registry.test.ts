import t, { type Test } from 'tap'
import { parseResources } from '../../../../mesh/resources/parse.ts'
import type { Resource } from '../../../../mesh/resources/resource.ts'
import { createRanges } from '../../../../mesh/std/ip-ranges.ts'
import { silentLog } from '../../../../mesh/std/log.ts'
import { Watch } from '../../../../mesh/std/watch.ts'
import { createHostReports } from '../../../../server/health/host-reports.ts'
import { startHostsRegistry } from '../../../../server/registrations/hosts-registry.ts'
import { openSqliteStore } from '../../../../server/store/sqlite.ts'
import type { NodeRecord, Store } from '../../../../server/store/store.ts'
import { FakeClock } from '../../../fakes/clock.ts'

const group = `
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: { name: pay, namespace: shop }
spec: { template: { serviceAccount: pay, ports: { http: 8080 } } }
`
const massRemoval = { share: 0.5, minimum: 4, windowMs: 60_000, confirmMs: 600_000, serviceMinimum: 3 }
const hosts = Array.from({ length: 8 }, (_, at) => `vm-${at}`)

function emptyStore(t: Test): Store {
  const store = openSqliteStore(':memory:', { log: silentLog })
  t.teardown(() => store.close())
  return store
}

async function world(t: Test, store = emptyStore(t), clock = new FakeClock()) {
  const reports = createHostReports({ clock })
  const resources = new Watch<readonly Resource[]>(parseResources(group, 'group.yaml').resources)
  const nodes = new Watch<ReadonlyMap<string, NodeRecord>>(
    new Map(hosts.map(name => [name, { name, identities: ['shop/pay'], joinedAt: 1, keyHash: name, banned: false }])),
  )
  const registry = await startHostsRegistry(
    {
      clock,
      random: () => 0.5,
      log: silentLog,
      store: store.registrations,
      reports: reports.registrations,
      resources,
      nodes,
      others: [],
      operatorDeclared: () => false,
      rules: { trustDomain: 'mesh.test', virtualIps: createRanges(['240.240.0.0/16']) },
    },
    { graceMs: 10_000, addresses: [], massRemoval },
  )
  t.teardown(() => registry.stop())
  const register = (names: readonly string[]) => {
    for (const node of names) {
      const address = `10.0.0.${hosts.indexOf(node) + 1}`
      const registrations = [{ group: 'shop/pay', name: node, address, ports: {}, maintenance: '' }]
      reports.report(node, { kind: 'report', health: [], registrations })
    }
  }
  await clock.advance(0)
  return {
    clock,
    registry,
    resources,
    reports,
    register,
    count: () => registry.view.snapshot.value?.workloads.size,
    held: () => registry.view.status.value.held?.workloads,
  }
}

t.test('hosts that all fall silent at once are held on to until they are back, or an operator confirms it', async t => {
  const { clock, registry, register, reports, count, held } = await world(t)
  register(hosts)
  await clock.advance(0)
  t.equal(count(), 8)
  for (const node of hosts.slice(1)) reports.left(node)
  await clock.advance(60_000)
  t.equal(count(), 8)
  t.equal(held(), 7)
  register(hosts.slice(1))
  await clock.advance(0)
  t.equal(count(), 8)
  t.equal(held(), undefined)
  for (const node of hosts.slice(1)) reports.left(node)
  await clock.advance(60_000)
  t.equal(registry.view.confirm(), true)
  t.equal(count(), 1)
})

t.test('hosts that say goodbye are gone, however many', async t => {
  const { clock, register, reports, count, held } = await world(t)
  register(hosts)
  await clock.advance(0)
  for (const node of hosts.slice(1)) reports.report(node, { kind: 'report', health: [], registrations: [] })
  await clock.advance(0)
  t.equal(count(), 1)
  t.equal(held(), undefined)
})

t.test('a group that an operator deletes takes all its workloads with it', async t => {
  const { clock, register, resources, count, held } = await world(t)
  register(hosts)
  await clock.advance(0)
  resources.set([])
  await clock.advance(0)
  t.equal(count(), 0)
  t.equal(held(), undefined)
})

t.test('what was registered is there again after a restart, before any host is', async t => {
  const store = emptyStore(t)
  const before = await world(t, store)
  before.register(hosts)
  await before.clock.advance(0)
  await before.registry.stop()
  const after = await world(t, store)
  t.equal(after.count(), 8)
  await after.clock.advance(3_600_000)
  t.equal(after.count(), 8)
})

t.test('leaves nothing running', async t => {
  const { clock, registry, register, reports } = await world(t)
  register(hosts)
  reports.left('vm-1')
  await clock.advance(0)
  await registry.stop()
  t.equal(clock.pending, 0)
})
