import t from 'tap'
import type { RegistrySnapshot } from '../../../../mesh/model/catalogue.ts'
import { changedKeys } from '../../../../mesh/std/table.ts'
import { type ClusterView, createClusterView } from '../../../../registry-adapters/kubernetes/cluster-view.ts'
import { readNode, readPod, readService, readSlice } from '../../../../registry-adapters/kubernetes/objects.ts'
import { endpointOf, nodeObject, podObject, serviceObject, sliceObject } from '../../../fakes/kubernetes-objects.ts'
import type { ApiObject } from '../../../fakes/kubernetes-state.ts'

/** A view to put objects into as the API has them; each gets a newer version than all before. */
function start() {
  const view: ClusterView = createClusterView({
    registry: 'k8s',
    clusterName: undefined,
    clusterDomain: 'cluster.local',
    serviceAccounts: 'none',
    nodeAgents: false,
  })
  let version = 0
  const put = (...objects: readonly ApiObject[]) => {
    for (const given of objects) {
      version += 1
      const object = { ...given, metadata: { ...given.metadata, resourceVersion: String(version) } }
      const key = `${given.metadata.namespace}/${given.metadata.name}`
      if (given.kind === 'Service') view.service(key, readService(object))
      else if (given.kind === 'EndpointSlice') view.slice(key, readSlice(object))
      else if (given.kind === 'Pod') view.pod(key, readPod(object))
      else view.node(given.metadata.name, readNode(object))
    }
  }
  return { view, put }
}

function endpoints(snapshot: RegistrySnapshot, service: string): readonly string[] | undefined {
  return snapshot.services.get(`default/${service}`)?.endpoints.map(endpoint => endpoint.workload)
}

const slice = (name: string, service: string, ...pods: readonly string[]) =>
  sliceObject(
    name,
    service,
    pods.map(pod => endpointOf(pod.endsWith('b') ? '10.0.0.2' : '10.0.0.1', pod, { node: 'node-1' })),
  )

t.test('objects may come in any order', async t => {
  const objects = [serviceObject('web'), slice('web-1', 'web', 'web-a'), podObject('web-a', ['10.0.0.1'])]
  for (const order of [
    [0, 1, 2],
    [2, 1, 0],
    [1, 2, 0],
  ]) {
    const { view, put } = start()
    for (const at of order) put(...objects.slice(at, at + 1))
    const made = view.take()
    t.same(endpoints(made, 'web'), ['k8s/default/web-a'])
    t.match(made.workloads.get('k8s/default/web-a'), { name: 'web-a', labels: { app: 'web' } })
    t.same(made.problems, [])
  }
})

t.test('what says the same again is the very same view', async t => {
  const { view, put } = start()
  put(serviceObject('web'), slice('web-1', 'web', 'web-a'), podObject('web-a', ['10.0.0.1']))
  const before = view.take()
  put(slice('web-1', 'web', 'web-a'), podObject('web-a', ['10.0.0.1']), serviceObject('web'))
  t.equal(view.take(), before)
})

t.test('a change keeps every object that it does not touch', async t => {
  const { view, put } = start()
  for (let count = 0; count < 50; count += 1) {
    put(
      serviceObject(`s${count}`),
      slice(`s${count}-1`, `s${count}`, `p${count}`),
      podObject(`p${count}`, ['10.0.0.1']),
    )
  }
  const before = view.take()
  put(podObject('p7', ['10.0.0.1'], { labels: { app: 'web', version: 'v2' } }))
  const after = view.take()
  t.equal(after.services, before.services, 'labels are no matter of Services')
  t.same(changedKeys(before.workloads, after.workloads), ['k8s/default/p7'])
  put(sliceObject('s9-1', 's9', [endpointOf('10.0.0.1', 'p9', { conditions: { ready: false }, node: 'node-1' })]))
  const third = view.take()
  t.equal(third.services, before.services, 'nor is health')
  t.same(changedKeys(after.workloads, third.workloads), ['k8s/default/p9'])
})

t.test('a pod of two Services is one workload', async t => {
  const { view, put } = start()
  put(serviceObject('web'), serviceObject('admin'), podObject('web-a', ['10.0.0.1']))
  put(slice('web-1', 'web', 'web-a'), slice('admin-1', 'admin', 'web-a'))
  const both = view.take()
  t.equal(both.workloads.size, 1)
  t.same(endpoints(both, 'web'), endpoints(both, 'admin'))
  view.service('default/web', undefined)
  const one = view.take()
  t.equal(one.services.size, 1)
  t.equal(one.workloads.get('k8s/default/web-a'), both.workloads.get('k8s/default/web-a'))
  view.service('default/admin', undefined)
  t.equal(view.take().workloads.size, 0, 'a pod behind no Service is no workload')
})

t.test('endpoints of a pod that is gone go at once, and come back with it', async t => {
  const { view, put } = start()
  put(serviceObject('web'), slice('web-1', 'web', 'web-a', 'web-b'))
  put(podObject('web-a', ['10.0.0.1']), podObject('web-b', ['10.0.0.2']))
  t.equal(endpoints(view.take(), 'web')?.length, 2)
  view.pod('default/web-a', undefined)
  const without = view.take()
  t.same(endpoints(without, 'web'), ['k8s/default/web-b'])
  t.equal(without.workloads.size, 1)
  t.match(without.problems, [{ item: 'EndpointSlice default/web-1', reason: /"web-a" does not exist/ }])
  put(podObject('web-a', ['10.0.0.1']))
  const again = view.take()
  t.equal(endpoints(again, 'web')?.length, 2)
  t.same(again.problems, [])
})

t.test('a slice that changes hands leaves its old Service', async t => {
  const { view, put } = start()
  put(serviceObject('web'), serviceObject('api'), slice('x', 'web', 'web-a'), podObject('web-a', ['10.0.0.1']))
  view.take()
  put(slice('x', 'api', 'web-a'))
  const after = view.take()
  t.same(endpoints(after, 'web'), [])
  t.same(endpoints(after, 'api'), ['k8s/default/web-a'])
  view.slice('default/x', undefined)
  t.same(endpoints(view.take(), 'api'), [])
})

t.test('slices of a Service that is not there wait for it', async t => {
  const { view, put } = start()
  put(slice('x', 'web', 'web-a'), podObject('web-a', ['10.0.0.1']))
  t.equal(view.take().workloads.size, 0)
  put(serviceObject('web'))
  t.equal(view.take().workloads.size, 1)
})

t.test('a pod that cannot be used takes no other with it, and no endpoint names it', async t => {
  const { view, put } = start()
  const bad = podObject('web-a', ['10.0.0.1'], { annotations: { 'weft.dev/service-account': 'No Account' } })
  put(serviceObject('web'), slice('web-1', 'web', 'web-a', 'web-b'), bad, podObject('web-b', ['10.0.0.2']))
  const first = view.take()
  t.same(endpoints(first, 'web'), ['k8s/default/web-b'])
  t.match(first.problems, [{ item: 'Pod default/web-a', reason: /No Account/ }])
  put(podObject('web-a', ['10.0.0.1']))
  const cured = view.take()
  t.equal(endpoints(cured, 'web')?.length, 2)
  t.same(cured.problems, [])
  put(bad)
  t.same(endpoints(view.take(), 'web'), ['k8s/default/web-b'])
  view.pod('default/web-a', undefined)
  view.slice('default/web-1', undefined)
  t.same(view.take().problems, [], 'and nothing is said of what is gone')
})

t.test('a node that learns its zone moves the workloads on it, and no other', async t => {
  const { view, put } = start()
  const zone = { 'topology.kubernetes.io/zone': 'eu-1' }
  put(serviceObject('web'), serviceObject('api'))
  put(slice('web-1', 'web', 'web-a', 'web-b'), slice('api-1', 'api', 'web-a'))
  put(sliceObject('api-2', 'api', [endpointOf('10.0.0.9', 'api-a', { node: 'node-2' })]))
  put(podObject('web-a', ['10.0.0.1']), podObject('web-b', ['10.0.0.2']), podObject('api-a', ['10.0.0.9']))
  const before = view.take()
  // a Service that lets go of a pod must not make the node forget it
  put(slice('web-1', 'web', 'web-b'))
  view.take()
  put(nodeObject('node-1', zone))
  const after = view.take()
  for (const id of ['k8s/default/web-a', 'k8s/default/web-b']) t.equal(after.workloads.get(id)?.locality.zone, 'eu-1')
  t.equal(after.workloads.get('k8s/default/api-a'), before.workloads.get('k8s/default/api-a'))
  view.node('node-1', undefined)
  t.equal(view.take().workloads.get('k8s/default/web-a')?.locality.zone, '')
})

t.test('an endpoint that is no pod is a workload by its address', async t => {
  const { view, put } = start()
  put(serviceObject('db'), sliceObject('db-1', 'db', [endpointOf('192.0.2.7', undefined)]))
  t.match(view.take().workloads.get('k8s/default/192.0.2.7'), {
    name: 'db',
    address: '192.0.2.7',
    namespace: 'default',
  })
})

t.test('much that is new is worked on piece by piece, and shown as a whole', async t => {
  const { view, put } = start()
  for (let count = 0; count < 2_000; count += 1) {
    put(
      serviceObject(`s${count}`),
      slice(`s${count}-1`, `s${count}`, `p${count}`),
      podObject(`p${count}`, ['10.0.0.1']),
    )
  }
  let pieces = 0
  while (view.work()) pieces += 1
  t.ok(pieces >= 4, `${pieces} pieces`)
  put(podObject('p7', ['10.0.0.1'], { labels: { app: 'late' } }))
  const whole = view.take()
  t.equal(whole.services.size, 2_000)
  t.equal(whole.workloads.size, 2_000)
  t.equal(whole.workloads.get('k8s/default/p7')?.labels.app, 'late')
  t.notOk(view.work(), 'then there is nothing left to do')
})

t.test('a Service that changes only in the version of its slice is the very same', async t => {
  const { view, put } = start()
  put(serviceObject('web'), slice('web-1', 'web', 'web-a', 'web-b'))
  put(podObject('web-a', ['10.0.0.1']), podObject('web-b', ['10.0.0.2']))
  const before = view.take()
  put(slice('web-1', 'web', 'web-a', 'web-b'))
  t.equal(view.take(), before)
  const ports = [{ name: 'http', port: 9090, protocol: 'TCP' }]
  put(sliceObject('web-1', 'web', [endpointOf('10.0.0.1', 'web-a', { node: 'node-1' })], { ports }))
  const after = view.take()
  t.same(after.services.get('default/web')?.endpoints, [{ workload: 'k8s/default/web-a', ports: { http: 9090 } }])
  t.equal(after.workloads.get('k8s/default/web-a'), before.workloads.get('k8s/default/web-a'))
})
