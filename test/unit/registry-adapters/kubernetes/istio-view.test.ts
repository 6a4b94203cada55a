import t from 'tap'
import { tableOf } from '../../../../mesh/std/table.ts'
import { createIstioView } from '../../../../registry-adapters/kubernetes/istio-view.ts'
import { type Merged, mergeViews } from '../../../../registry-adapters/kubernetes/merged-view.ts'
import { FakeKubernetesState } from '../../../fakes/kubernetes-state.ts'
import { service, snapshotOf, workload } from '../../../support/catalogue.ts'

const api = 'networking.istio.io/v1'

/** As the API server hands it out. */
function stored(kind: string, name: string, spec: object, metadata: object = {}, conditions: readonly object[] = []) {
  const change = new FakeKubernetesState().put({
    apiVersion: api,
    kind,
    metadata: { name, namespace: 'shop', ...metadata },
    spec,
    status: { conditions: [{ type: 'Reconciled', status: 'True' }, ...conditions] },
  })
  return change.now
}

const entrySpec = { address: '10.1.0.5', labels: { app: 'billing' }, serviceAccount: 'billing' }
const serviceSpec = {
  hosts: ['billing.example.com'],
  location: 'MESH_INTERNAL',
  resolution: 'STATIC',
  ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
  workloadSelector: { labels: { app: 'billing' } },
}

t.test('a ServiceEntry and the WorkloadEntries it selects are a service with endpoints', async t => {
  const view = createIstioView('k8s')
  view.set('WorkloadEntry', 'shop/vm-1', stored('WorkloadEntry', 'vm-1', entrySpec))
  view.set('ServiceEntry', 'shop/billing', stored('ServiceEntry', 'billing', serviceSpec))
  const made = view.take()
  t.match(made.services.get('shop/billing'), {
    hosts: ['billing.example.com'],
    endpoints: [{ workload: 'k8s/Istio/shop/vm-1', ports: { http: 80 } }],
  })
  t.match(made.workloads.get('k8s/Istio/shop/vm-1'), {
    registry: 'k8s',
    address: '10.1.0.5',
    serviceAccount: 'billing',
  })
  t.same(made.problems, [])
  t.equal(view.take(), made)
})

t.test('a WorkloadEntry that istiod found unhealthy is unhealthy', async t => {
  const view = createIstioView('k8s')
  const told = (status: string) => [{ type: 'Healthy', status, message: 'connection refused\nat 10.1.0.5' }]
  view.set('WorkloadEntry', 'shop/vm-1', stored('WorkloadEntry', 'vm-1', entrySpec, {}, told('False')))
  t.match(view.take().workloads.get('k8s/Istio/shop/vm-1'), {
    health: 'unhealthy',
    healthReason: 'istio found it unhealthy: connection refused',
  })
  view.set('WorkloadEntry', 'shop/vm-1', stored('WorkloadEntry', 'vm-1', entrySpec, {}, told('True')))
  const well = view.take().workloads.get('k8s/Istio/shop/vm-1')
  t.equal(well?.health, 'healthy')
  t.equal(well?.healthReason, undefined)
})

t.test('what the API server, kubectl and istiod add to an object is no part of it', async t => {
  const view = createIstioView('k8s')
  const annotations = {
    'kubectl.kubernetes.io/last-applied-configuration': '{}',
    'istio.io/autoRegistrationGroup': 'billing',
    'istio.io/connectedAt': '2026-01-31T12:00:00Z',
    'istio.io/workloadController': 'istiod-1',
    'weft.dev/node': 'vm-7',
  }
  const finalizers = ['x/y']
  const ownerReferences = [{ kind: 'WorkloadGroup', name: 'billing' }]
  const object = stored('WorkloadEntry', 'vm-1', entrySpec, {
    annotations,
    finalizers,
    ownerReferences,
    generateName: 'vm-',
  })
  view.set('WorkloadEntry', 'shop/vm-1', object)
  const made = view.take()
  t.same(made.problems, [])
  t.equal(made.workloads.get('k8s/Istio/shop/vm-1')?.node, 'vm-7')
})

t.test('a bad resource is left out by name, and every other one stays', async t => {
  const view = createIstioView('k8s')
  view.set('WorkloadEntry', 'shop/vm-1', stored('WorkloadEntry', 'vm-1', entrySpec))
  view.set('WorkloadEntry', 'shop/vm-2', stored('WorkloadEntry', 'vm-2', { adress: '10.1.0.6' }))
  const made = view.take()
  t.equal(made.workloads.size, 1)
  t.ok(made.problems.length > 0)
  for (const problem of made.problems) t.equal(problem.item, 'WorkloadEntry shop/vm-2')
  t.ok(made.problems.some(problem => /adress.*did you mean address/.test(problem.reason)))
  view.set('WorkloadEntry', 'shop/vm-2', undefined)
  const cured = view.take()
  t.same(cured.problems, [])
  t.equal(cured.workloads, made.workloads, 'what stays is the very same')
})

t.test('a WorkloadGroup gives its entries what they leave open', async t => {
  const view = createIstioView('k8s')
  const annotations = { 'weft.dev/group': 'billing' }
  view.set('WorkloadEntry', 'shop/vm-1', stored('WorkloadEntry', 'vm-1', { address: '10.1.0.5' }, { annotations }))
  t.match(view.take().problems, [{ item: 'WorkloadEntry shop/vm-1', reason: /does not exist/ }])
  const spec = { template: { serviceAccount: 'billing' } }
  view.set('WorkloadGroup', 'shop/billing', stored('WorkloadGroup', 'billing', spec))
  const made = view.take()
  t.same(made.problems, [])
  t.equal(made.workloads.get('k8s/Istio/shop/vm-1')?.serviceAccount, 'billing')
})

t.test("the cluster's Service counts where a ServiceEntry has its name, which is said", async t => {
  const pods = workload({ id: 'k8s/default/web-a' })
  const entry = workload({ id: 'k8s/Istio/default/vm-1' })
  const cluster = snapshotOf([service('web', [pods.id])], [pods])
  const istio = snapshotOf([service('web', [entry.id]), service('billing', [entry.id])], [entry])
  const { view } = mergeViews(cluster, istio, undefined)
  t.same([...view.services.keys()], ['default/billing', 'default/web'])
  t.equal(view.services.get('default/web'), cluster.services.get('default/web'))
  t.equal(view.workloads.size, 2)
  t.match(view.problems, [{ item: 'ServiceEntry default/web', reason: /Service of that name/ }])
})

t.test('a merge follows both sides, and says nothing when nothing shows', async t => {
  const empty = { services: tableOf<never>(), workloads: tableOf<never>(), problems: [] }
  const web = snapshotOf([service('web')], [])
  const both = snapshotOf([service('web'), service('billing')], [])
  let merged: Merged = mergeViews(web, empty, undefined)
  t.equal(merged.view.services, web.services, 'without Istio the tables are those of the cluster')
  const steps = [
    [web, both, ['default/billing', 'default/web']],
    [empty, both, ['default/billing', 'default/web']],
    [empty, web, ['default/web']],
    [web, empty, ['default/web']],
    [empty, empty, []],
  ] as const
  for (const [cluster, istio, keys] of steps) {
    merged = mergeViews(cluster, istio, merged)
    t.same([...merged.view.services.keys()], keys)
    t.equal(mergeViews(cluster, istio, merged), merged)
  }
  const { view } = merged
  t.equal(mergeViews({ ...empty }, { ...empty }, merged).view, view)
})
