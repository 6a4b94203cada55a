import t, { type Test } from 'tap'
import type { RegistrySnapshot } from '../../../../mesh/model/catalogue.ts'
import { parseResources } from '../../../../mesh/resources/parse.ts'
import type { Resource } from '../../../../mesh/resources/resource.ts'
import { type Table, tableOf } from '../../../../mesh/std/table.ts'
import { Watch } from '../../../../mesh/std/watch.ts'
import { createHostsAdapter } from '../../../../server/registrations/hosts-adapter.ts'
import { followWorkloads } from '../../../../server/registrations/known-workloads.ts'
import type { NodeRecord, RegistrationRecord } from '../../../../server/store/store.ts'
import { snapshotOf, workload } from '../../../support/catalogue.ts'
import { recordedLog } from '../../../support/recorded-log.ts'
import { endpointsOf, watchAdapter } from '../../../support/watch-adapter.ts'

const intent = `
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: { name: pay, namespace: shop }
spec:
  metadata: { labels: { app: pay, tier: gold }, annotations: { weft.dev/user: pay } }
  template: { serviceAccount: pay, ports: { http: 8080 }, labels: { app: none }, locality: eu/a, weight: 3 }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: payments, namespace: shop }
spec:
  hosts: [payments.example]
  addresses: [10.9.9.9]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{ number: 80, name: http, protocol: HTTP }]
  workloadSelector: { labels: { app: pay } }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: other, namespace: shop }
spec:
  hosts: [other.example]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{ number: 80, name: http, protocol: HTTP }]
  endpoints: [{ address: 10.0.0.77 }]
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: written, namespace: shop, labels: { app: pay } }
spec: { address: 10.0.0.50 }
`

function read(text: string): readonly Resource[] {
  const { resources, problems } = parseResources(text, 'test.yaml')
  if (problems.length > 0) throw new Error(JSON.stringify(problems))
  return resources
}

function node(name: string, identities: readonly string[], banned = false): [string, NodeRecord] {
  return [name, { name, identities, joinedAt: 1, keyHash: name, banned }]
}

function record(values: Partial<RegistrationRecord> = {}): RegistrationRecord {
  const base = { node: 'vm-1', name: 'pay-1', group: 'shop/pay', address: '10.0.0.1' }
  return { ...base, ports: {}, maintenance: '', since: 1, ...values }
}

function world(t: Test, first: readonly RegistrationRecord[] = [record()]) {
  const log = recordedLog()
  const resources = new Watch<readonly Resource[]>(read(intent))
  const nodes = new Watch<ReadonlyMap<string, NodeRecord>>(
    new Map([node('vm-1', ['shop/pay']), node('vm-2', ['shop/web']), node('vm-3', [])]),
  )
  const registrations = new Watch<Table<readonly RegistrationRecord[]>>(tableOf(Map.groupBy(first, one => one.node)))
  const files = new Watch<RegistrySnapshot | undefined>(undefined)
  const consul = new Watch<RegistrySnapshot | undefined>(undefined)
  const known = followWorkloads([{ snapshot: files }, { snapshot: consul }])
  t.teardown(() => known.stop())
  const operatorDeclared = (registry: string) => registry === 'files'
  const deps = { resources, nodes, registrations, known, operatorDeclared }
  const watching = watchAdapter(t, () => createHostsAdapter(deps, { log }))
  const register = (...list: RegistrationRecord[]) => registrations.set(tableOf(Map.groupBy(list, one => one.node)))
  const names = (view: RegistrySnapshot) => [...view.workloads.keys()].join(' ')
  return { ...watching, ...deps, files, consul, register, names, log }
}

t.test('a registration is a workload of its group, and an endpoint of the services that select it', async t => {
  const { view } = world(t)
  const found = await view(() => true)
  t.match(
    [...found.workloads.values()],
    [
      {
        id: 'hosts/shop/pay-1',
        registry: 'hosts',
        namespace: 'shop',
        name: 'pay-1',
        address: '10.0.0.1',
        node: 'vm-1',
        serviceAccount: 'pay',
        labels: { app: 'pay', tier: 'gold' },
        locality: { region: 'eu', zone: 'a' },
        weight: 3,
        health: 'healthy',
        callers: [{ kind: 'user', user: 'pay' }],
      },
    ],
  )
  t.equal(found.workloads.size, 1, 'what the operators wrote is not repeated')
  t.same([...found.services.keys()], ['shop/payments'])
  t.same(endpointsOf(found, 'payments'), ['10.0.0.1:8080'])
  t.match(found.services.get('shop/payments'), { hosts: [], addresses: [], location: 'mesh' })
  t.same(found.problems, [])
})

t.test('maintenance drains, with the reason', async t => {
  const { view, register } = world(t)
  register(record({ maintenance: 'disk swap' }))
  const draining = await view(({ workloads }) => workloads.get('hosts/shop/pay-1')?.health === 'draining')
  t.equal(draining.workloads.get('hosts/shop/pay-1')?.healthReason, 'maintenance: disk swap')
  register(record())
  const back = await view(({ workloads }) => workloads.get('hosts/shop/pay-1')?.health === 'healthy')
  t.notOk(back.workloads.get('hosts/shop/pay-1')?.healthReason)
})

t.test('a host that may not hold the identity is refused by name, and logged once', async t => {
  const { view, register, log } = world(t)
  register(record({ node: 'vm-2' }), record({ node: 'vm-3', name: 'x' }), record({ node: 'vm-9', name: 'y' }))
  const found = await view(({ workloads }) => workloads.size === 0)
  t.match(found.problems, [
    { item: 'registration pay-1 of vm-2 for shop/pay', reason: /^vm-2 may not be shop\/pay/ },
    { item: 'registration x of vm-3 for shop/pay', reason: /^vm-3 may not be shop\/pay/ },
    { item: 'registration y of vm-9 for shop/pay', reason: /^vm-9 may not be shop\/pay/ },
  ])
  register(record({ node: 'vm-2' }), record({ node: 'vm-3', name: 'x' }), record({ node: 'vm-9', name: 'z' }))
  await view(({ problems }) => problems.some(({ item }) => item.includes('registration z')))
  t.equal(log.lines.filter(({ fields }) => String(fields.item).includes('pay-1 of vm-2')).length, 1)
})

t.test(
  'a host without identities of its own is what an operator’s file places on it, and nobody else’s word',
  async t => {
    const { view, register, files, consul, names } = world(t)
    register(record({ node: 'vm-3', name: 'x' }))
    const placed = (registry: string) =>
      snapshotOf(
        [],
        [
          workload({
            id: `${registry}/p`,
            namespace: 'shop',
            serviceAccount: 'pay',
            node: 'vm-3',
            address: '10.0.3.3',
          }),
        ],
      )
    await view(found => names(found) === '')
    consul.set(placed('consul'))
    register(record({ node: 'vm-3', name: 'y' }))
    await view(({ problems }) => problems.some(({ item }) => item.includes('registration y')))
    files.set(placed('files'))
    await view(found => names(found) === 'hosts/shop/y')
    files.set(snapshotOf([], []))
    await view(found => names(found) === '')
  },
)

t.test('a ban, a new join token, and a group that is gone take effect at once', async t => {
  const { view, nodes, names, resources } = world(t)
  await view(found => names(found) === 'hosts/shop/pay-1')
  nodes.set(new Map([node('vm-1', ['shop/pay'], true)]))
  await view(found => names(found) === '')
  nodes.set(new Map([node('vm-1', ['shop/pay'])]))
  await view(found => names(found) === 'hosts/shop/pay-1')
  nodes.set(new Map([node('vm-1', ['shop/else'])]))
  await view(found => names(found) === '')
  nodes.set(new Map([node('vm-1', ['shop/pay'])]))
  await view(found => names(found) === 'hosts/shop/pay-1')
  resources.set(resources.value.filter(({ kind }) => kind !== 'WorkloadGroup'))
  const gone = await view(found => names(found) === '')
  t.match(gone.problems, [{ reason: 'there is no WorkloadGroup shop/pay' }])
})

t.test('an address that another host gets in another registry is lost at once', async t => {
  const { view, consul, names } = world(t)
  await view(found => names(found) === 'hosts/shop/pay-1')
  consul.set(snapshotOf([], [workload({ id: 'consul/db', node: 'vm-9', address: '10.0.0.1' })]))
  const lost = await view(found => names(found) === '')
  t.match(lost.problems, [{ reason: /is that of consul\/db on vm-9/ }])
})

t.test('says nothing when nothing of it has changed, and hands on the same objects', async t => {
  const { view, views, consul, resources, register } = world(t)
  const first = await view(() => true)
  consul.set(snapshotOf([], [workload({ id: 'consul/far', address: '10.9.0.1', node: 'vm-44' })]))
  resources.set([...resources.value])
  register(record(), record({ name: 'pay-2', ports: { http: 81 } }))
  const second = await view(({ workloads }) => workloads.size === 2)
  t.equal(views.length, 2)
  t.equal(second.workloads.get('hosts/shop/pay-1'), first.workloads.get('hosts/shop/pay-1'))
  t.same(endpointsOf(second, 'payments'), ['10.0.0.1:8080', '10.0.0.1:81'])
})

t.test('the first view comes at once, empty when nothing is registered', async t => {
  const { view } = world(t, [])
  const first = await view(() => true)
  t.equal(first.workloads.size, 0)
  t.equal(first.services.size, 0)
})
