import t from 'tap'
import { podObject, serviceObject } from '../../../fakes/kubernetes-objects.ts'
import type { ApiObject } from '../../../fakes/kubernetes-state.ts'
import { startWorld, webHas } from '../../../fakes/kubernetes-world.ts'
import { until } from '../../../support/eventually.ts'
import { endpointsOf } from '../../../support/watch-adapter.ts'

t.test('a collection is listed page by page, then watched from the version of the list', async t => {
  const { fake, watch, asked } = await startWorld(t)
  for (const name of ['a', 'b', 'c', 'd']) fake.put(serviceObject(name))
  const { version } = fake.state
  const watched = watch()
  const view = await watched.view(() => true)
  t.equal(view.services.size, 5)
  const pages = asked('list', 'services')
  t.equal(pages.length, 3)
  t.same(
    pages.map(({ query }) => [query.get('limit'), query.has('continue'), query.has('resourceVersion')]),
    [
      ['2', false, false],
      ['2', true, false],
      ['2', true, false],
    ],
    'without a version: the newest state there is',
  )
  await until('it is watched', () => asked('watch', 'services').length === 1)
  const query = asked('watch', 'services')[0]?.query
  t.equal(query?.get('resourceVersion'), String(version))
  t.equal(query?.get('allowWatchBookmarks'), 'true')
  const seconds = Number(query?.get('timeoutSeconds'))
  t.ok(seconds >= 300 && seconds <= 600, `asked to end after ${seconds} s`)
})

t.test('only what is used is asked for: metadata of pods and nodes, slices of Services, no finished pods', async t => {
  const { fake, watch, asked } = await startWorld(t)
  fake.put({ ...podObject('job-1', ['10.0.0.9']), status: { phase: 'Succeeded' } })
  await watch({ nodes: true, labelSelector: 'tier=front' }).view(() => true)
  const of = (resource: string) => asked('list', resource)[0]
  t.match(of('pods')?.accept, /as=PartialObjectMetadataList/)
  t.match(of('nodes')?.accept, /as=PartialObjectMetadataList/)
  t.notMatch(of('services')?.accept, /Partial/)
  t.equal(of('endpointslices')?.query.get('labelSelector'), 'kubernetes.io/service-name')
  t.equal(of('pods')?.query.get('fieldSelector'), 'status.phase!=Succeeded,status.phase!=Failed')
  t.equal(of('services')?.query.get('labelSelector'), 'tier=front')
  t.equal(of('pods')?.query.get('labelSelector'), null, 'pods are not labelled as their Services are')
})

t.test('whole pods are read where their service accounts count', async t => {
  const { watch, asked } = await startWorld(t)
  const view = await watch({ serviceAccounts: 'pods' }).view(() => true)
  t.equal(asked('list', 'pods')[0]?.accept, 'application/json')
  t.equal(view.workloads.get('k8s/default/web-a')?.serviceAccount, 'default')
})

t.test('an API server that knows no projection is understood all the same', async t => {
  const { fake, watch } = await startWorld(t)
  fake.fault = request => {
    if (request.resource !== 'pods' || request.verb !== 'list') return undefined
    const metadata = { resourceVersion: String(fake.state.version) }
    return { kind: 'body', body: { kind: 'PodList', apiVersion: 'v1', metadata, items: fake.state.all('pods') } }
  }
  const view = await watch().view(() => true)
  t.match(view.workloads.get('k8s/default/web-a'), { labels: { app: 'web' }, serviceAccount: undefined })
})

t.test('with namespaces each is read by itself, and no other', async t => {
  const { fake, watch } = await startWorld(t)
  fake.put(serviceObject('web', {}, { namespace: 'shop' }), serviceObject('web', {}, { namespace: 'bank' }))
  const view = await watch({ namespaces: ['default', 'shop'] }).view(() => true)
  t.same([...view.services.keys()], ['default/web', 'shop/web'])
  t.same([...new Set(fake.requests.map(request => request.namespace))].sort(), ['default', 'shop'])
})

t.test('half a list is no list', async t => {
  const { fake, watch } = await startWorld(t)
  for (const name of ['a', 'b', 'c', 'd']) fake.put(serviceObject(name))
  fake.fault = request =>
    request.resource === 'services' && request.query.has('continue') ? { kind: 'cut', midway: true } : undefined
  const watched = watch()
  await watched.stands('failing', /cannot be read.*services/)
  t.same(watched.views, [])
  fake.fault = () => undefined
  t.equal((await watched.view(() => true)).services.size, 5)
})

t.test('a list whose pages expire is begun again with larger ones', async t => {
  const { fake, watch, asked } = await startWorld(t)
  for (const name of ['a', 'b', 'c', 'd']) fake.put(serviceObject(name))
  fake.expiringPages = 1
  const watched = watch()
  const view = await watched.view(() => true)
  t.equal(view.services.size, 5)
  t.same(
    asked('list', 'services').map(({ query }) => `${query.get('limit')}${query.has('continue') ? '+' : ''}`),
    ['2', '2+', '8'],
  )
  await watched.stands('fresh')
  t.same(
    watched.health.map(one => one.kind),
    ['fresh'],
    'it is no failure',
  )
})

t.test('a list that expires however large its pages are is a failure', async t => {
  const { fake, watch } = await startWorld(t)
  fake.put(serviceObject('a'))
  fake.maxPage = 1
  fake.expiringPages = 1_000_000
  const watched = watch()
  await watched.stands('failing', /expires before it can be read.*services/)
  fake.expiringPages = 0
  t.equal((await watched.view(() => true)).services.size, 2)
})

t.test('pages of two moments are no list', async t => {
  const { fake, watch, count } = await startWorld(t)
  for (const name of ['a', 'b', 'c', 'd']) fake.put(serviceObject(name))
  let strange = 1
  fake.fault = request => {
    if (request.resource !== 'services' || !request.query.has('continue') || strange === 0) return undefined
    strange -= 1
    return { kind: 'body', body: { kind: 'ServiceList', metadata: { resourceVersion: '77' }, items: [] } }
  }
  const watched = watch()
  t.equal((await watched.view(() => true)).services.size, 5)
  t.equal(count('list', 'services'), 2)
})

t.test('an empty list is believed when it is whole and says its version', async t => {
  const { fake, watch } = await startWorld(t)
  fake.remove('Service', 'default/web')
  const metadata = { resourceVersion: '2000' }
  fake.fault = ({ resource, verb }) =>
    resource === 'services' && verb === 'list'
      ? { kind: 'body', body: { kind: 'ServiceList', metadata, items: null } }
      : undefined
  t.equal((await watch().view(() => true)).services.size, 0)
})

t.test('a Service that stops being selected is gone', async t => {
  const { fake, watch } = await startWorld(t)
  fake.put(serviceObject('web', {}, { labels: { tier: 'front' } }))
  const watched = watch({ labelSelector: 'tier=front' })
  await watched.view(webHas(1))
  fake.put(serviceObject('web', {}, { labels: { tier: 'back' } }))
  await watched.view(view => view.services.size === 0)
})

t.test('Istio is read by whatever version the cluster has', async t => {
  const { fake, watch, asked } = await startWorld(t)
  fake.istioVersions = ['v1beta1']
  const watched = watch({ istio: true })
  await watched.view(() => true)
  await until('it is watched', () => asked('watch', 'serviceentries').length > 0)
  t.equal(asked('watch', 'serviceentries')[0]?.version, 'v1beta1')
})

t.test("Istio's resources come beside the cluster's own, by list and by watch", async t => {
  const { fake, watch } = await startWorld(t)
  const entry = (name: string, spec: object): ApiObject => ({
    apiVersion: 'networking.istio.io/v1',
    kind: 'WorkloadEntry',
    metadata: { name, namespace: 'default' },
    spec,
  })
  fake.put(entry('vm-1', { address: '10.1.0.5', labels: { app: 'billing' } }), entry('vm-2', { adress: '10.1.0.6' }))
  fake.put({
    apiVersion: 'networking.istio.io/v1',
    kind: 'ServiceEntry',
    metadata: { name: 'billing', namespace: 'default' },
    spec: {
      hosts: ['billing.example.com'],
      location: 'MESH_INTERNAL',
      resolution: 'STATIC',
      ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
      workloadSelector: { labels: { app: 'billing' } },
    },
  })
  const watched = watch({ istio: true })
  const first = await watched.view(() => true)
  t.same(endpointsOf(first, 'billing'), ['10.1.0.5:80'])
  t.same(endpointsOf(first, 'web'), ['10.0.0.1:8080'])
  t.ok(first.problems.some(({ item }) => item === 'WorkloadEntry default/vm-2'))
  fake.put(entry('vm-2', { address: '10.1.0.6', labels: { app: 'billing' } }))
  const cured = await watched.view(view => endpointsOf(view, 'billing')?.length === 2)
  t.same(cured.problems, [])
  t.equal(cured.services.get('default/web'), first.services.get('default/web'))
  fake.remove('ServiceEntry', 'default/billing')
  await watched.view(view => !view.services.has('default/billing'))
})

t.test('a cluster without Istio is a failure that says so, as long as Istio is to be read', async t => {
  const { fake, watch } = await startWorld(t)
  fake.istioVersions = []
  const watched = watch({ istio: true })
  await watched.stands('failing', /does not know the resource.*networking.istio.io/)
  fake.istioVersions = ['v1']
  await watched.view(webHas(1))
  await watched.stands('fresh')
})
