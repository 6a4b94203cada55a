import t from 'tap'
import { FakeClock } from '../../../fakes/clock.ts'
import { podObject, serviceObject, sliceObject } from '../../../fakes/kubernetes-objects.ts'
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

t.test('there is no view before everything has been listed once', async t => {
  const { fake, watch, count } = await startWorld(t)
  fake.fault = request => (request.resource === 'pods' ? { kind: 'hang' } : undefined)
  const watched = watch({ pace: { answerMs: 300 } })
  await until('the others are watched', () => count('watch', 'endpointslices') > 0 && count('watch', 'services') > 0)
  await watched.stands('failing', /pods/)
  t.same(watched.views, [])
  fake.fault = () => undefined
  t.same(endpointsOf(await watched.view(() => true), 'web'), ['10.0.0.1:8080'])
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

for (const goneAs of ['event', 'status'] as const) {
  t.test(
    `a version that is gone, told as ${goneAs}, is no failure: what happened meanwhile is found by a list`,
    async t => {
      const { fake, watch, add, count } = await startWorld(t)
      fake.put(serviceObject('old'))
      const watched = watch()
      await watched.view(view => view.services.size === 2)
      await watched.stands('fresh')
      fake.goneAs = goneAs
      let away = true
      fake.fault = ({ verb }) => (away && verb === 'watch' ? { kind: 'cut', midway: false } : undefined)
      fake.cut()
      await watched.stands('failing')
      fake.remove('Service', 'default/old')
      fake.put(serviceObject('new'))
      add('web-b', '10.0.0.2')
      fake.state.compact()
      fake.state.pass(1)
      away = false
      const view = await watched.view(view => view.services.has('default/new') && webHas(2)(view))
      t.notOk(view.services.has('default/old'))
      await watched.stands('fresh')
      t.equal(count('list', 'services'), 2)
      const said = watched.health.flatMap(one => (one.kind === 'failing' ? [one.reason] : []))
      t.notOk(said.some(reason => /410|expired/.test(reason)))
    },
  )
}

t.test('versions that are gone again and again are a failure', async t => {
  const { fake, watch } = await startWorld(t)
  fake.fault = ({ verb, resource }) =>
    verb === 'watch' && resource === 'services' ? { kind: 'status', code: 410 } : undefined
  const watched = watch()
  await watched.view(webHas(1))
  await watched.stands('failing', /no longer has that version.*services/)
  fake.fault = () => undefined
  await watched.stands('fresh')
})

t.test('a watch that ends is taken up after its last event, without a list', async t => {
  const { fake, watch, add, asked, count } = await startWorld(t)
  const watched = watch()
  await watched.view(webHas(1))
  await until('all is watched', () => fake.watches.size === 3)
  fake.state.pass(100)
  fake.bookmark()
  const bookmarked = String(fake.state.version)
  // the bookmark has arrived when an event that was sent after it has
  add('web-b', '10.0.0.2')
  await watched.view(webHas(2))
  for (const open of [...fake.watches]) open.end()
  add('web-c', '10.0.0.3')
  await watched.view(webHas(3))
  t.equal(count('list', 'services'), 1)
  await until('services are watched again', () => asked('watch', 'services').length === 2)
  t.equal(asked('watch', 'services')[1]?.query.get('resourceVersion'), bookmarked, 'where the bookmark was')
  t.same(
    watched.health.map(one => one.kind),
    ['fresh'],
    'the end of a watch is no failure',
  )
})

t.test('a connection that ends in the middle of an event loses nothing', async t => {
  const { fake, watch, add, count } = await startWorld(t)
  const watched = watch()
  await watched.view(webHas(1))
  await until('all is watched', () => fake.watches.size === 3)
  for (const open of [...fake.watches]) {
    open.write('{"type":"MODIFIED","object":{"kind":"EndpointSlice","metadata":{"name":"web-1"')
    open.cut()
  }
  add('web-b', '10.0.0.2')
  await watched.view(webHas(2))
  t.equal(count('list', 'endpointslices'), 1)
})

t.test('the last event of a watch counts, although its line has no end', async t => {
  const { fake, watch, asked } = await startWorld(t)
  const watched = watch()
  await watched.view(webHas(1))
  await until('all is watched', () => fake.watches.size === 3)
  const open = [...fake.watches].find(one => one.request.resource === 'services')
  const object = fake.state.put(serviceObject('last')).now
  open?.write(JSON.stringify({ type: 'ADDED', object }))
  open?.end()
  await watched.view(view => view.services.has('default/last'))
  await until('it is taken up', () => asked('watch', 'services').length === 2)
  t.equal(asked('watch', 'services')[1]?.query.get('resourceVersion'), String(fake.state.version))
})

t.test('an event that is older than what is known changes nothing', async t => {
  const { fake, watch, add } = await startWorld(t)
  const [stale] = fake.state.all('endpointslices')
  add('web-b', '10.0.0.2')
  const watched = watch()
  await watched.view(webHas(2))
  await until('all is watched', () => fake.watches.size === 3)
  for (const open of fake.watches) {
    if (open.request.resource !== 'endpointslices') continue
    for (const type of ['MODIFIED', 'DELETED']) open.write(`${JSON.stringify({ type, object: stale })}\n`)
  }
  fake.put(serviceObject('later'))
  const view = await watched.view(view => view.services.has('default/later'))
  fake.put(sliceObject('later-1', 'later', []))
  t.equal(endpointsOf(view, 'web')?.length, 2)
  t.ok(watched.views.every(webHas(2)))
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

t.test('the clock', async t => {
  const minutes = 60_000
  /** Time that is moved in leaps must not make an answer late that is on its way. */
  const patient = { silenceMs: 600 * minutes, answerMs: 600 * minutes, bodyMs: 600 * minutes }

  t.test('a watch that has fallen silent is made anew, and that is no failure', async t => {
    const { fake, watch, asked, count } = await startWorld(t)
    const clock = new FakeClock()
    const watched = watch({}, clock, () => clock.advance(10))
    await watched.view(webHas(1))
    await until('all is watched', () => fake.watches.size === 3)
    const silent = [...fake.watches]
    await until('they are watched anew', async () => {
      await clock.advance(minutes)
      return asked('watch', 'services').length >= 2
    })
    await until('the silent ones are closed', () => silent.every(open => !fake.watches.has(open)))
    t.equal(count('list', 'services'), 1)
    t.same(
      watched.health.map(one => one.kind),
      ['fresh'],
    )
  })

  t.test('bookmarks keep a watch', async t => {
    const { fake, watch, asked } = await startWorld(t)
    const clock = new FakeClock()
    const watched = watch({}, clock, () => clock.advance(10))
    await watched.view(webHas(1))
    await until('all is watched', () => fake.watches.size === 3)
    for (let minute = 0; minute < 10; minute += 1) {
      await clock.advance(minutes)
      fake.state.pass(1)
      fake.bookmark()
      fake.put(
        podObject(`p${minute}`, ['10.0.9.9']),
        serviceObject(`s${minute}`),
        sliceObject(`e${minute}`, 'none', []),
      )
      await watched.view(view => view.services.has(`default/s${minute}`))
    }
    t.equal(asked('watch', 'services').length, 1)
  })

  t.test('everything is listed anew once in a while, which is no news', async t => {
    const { fake, watch, count } = await startWorld(t)
    const clock = new FakeClock()
    const watched = watch({ pace: patient }, clock, () => clock.advance(10))
    await watched.view(webHas(1))
    await until('all is watched', () => fake.watches.size === 3)
    await until('all is listed again', async () => {
      await clock.advance(5 * minutes)
      return ['services', 'pods', 'endpointslices'].every(resource => count('list', resource) === 2)
    })
    t.ok(clock.monotonic() >= 45 * minutes, 'not sooner than three quarters of an hour')
    t.equal(watched.views.length, 1)
    t.same(
      watched.health.map(one => one.kind),
      ['fresh'],
    )
  })

  t.test('what a list finds that no watch has told is taken', async t => {
    const { fake, watch } = await startWorld(t)
    const clock = new FakeClock()
    const watched = watch({ pace: patient }, clock, () => clock.advance(10))
    await watched.view(webHas(1))
    await until('all is watched', () => fake.watches.size === 3)
    fake.state.put(serviceObject('unheard'))
    t.notOk((await watched.view(webHas(1))).services.has('default/unheard'))
    await until('it is in the view', async () => {
      await clock.advance(5 * minutes)
      return watched.views.at(-1)?.services.has('default/unheard') === true
    })
  })

  t.test('an API server that ends each watch at once is asked again slower and slower', async t => {
    const { fake, watch, asked } = await startWorld(t)
    const clock = new FakeClock()
    const pace = { ...patient, backoffBaseMs: 200, backoffCapMs: 2_000 }
    const watched = watch({ pace }, clock, () => clock.advance(10))
    await watched.view(webHas(1))
    fake.endsWatches = true
    for (const open of [...fake.watches]) open.end()
    const times: number[] = []
    await until(
      'there are five',
      async () => {
        await clock.advance(100)
        while (times.length < asked('watch', 'services').length) times.push(clock.monotonic())
        return times.length >= 5
      },
      60_000,
    )
    const gaps = times.slice(1).map((time, at) => time - (times[at] ?? 0))
    t.ok((gaps[3] ?? 0) >= 700, `waits of ${gaps.join(', ')} ms`)
    await watched.stands('failing', /ends each watch at once/)
    fake.state.remove('Service', 'default/web')
    fake.state.compact()
    await until(
      'it is read by lists',
      async () => {
        await clock.advance(100)
        return watched.views.at(-1)?.services.size === 0
      },
      60_000,
    )
    fake.endsWatches = false
    fake.goneAs = 'status'
    await until(
      'the watches last',
      async () => {
        await clock.advance(100)
        return watched.health.at(-1)?.kind === 'fresh'
      },
      60_000,
    )
  })

  t.test('what the API server asks for with Retry-After is waited for', async t => {
    const { fake, watch } = await startWorld(t)
    const clock = new FakeClock()
    fake.fault = () => ({ kind: 'status', code: 429, retryAfterS: 20 })
    const watched = watch({}, clock)
    await watched.stands('failing', /limits the rate/)
    await until('each was asked', () => fake.requests.length === 3)
    for (let second = 0; second < 19; second += 1) await clock.advance(1_000)
    t.equal(fake.requests.length, 3)
    await clock.advance(1_000)
    await until('they are asked again', () => fake.requests.length === 6)
  })

  t.test('a state older than one seen before is not believed, until it lasts', async t => {
    const { fake, watch } = await startWorld(t)
    const clock = new FakeClock()
    const watched = watch({ pace: patient }, clock, () => clock.advance(10))
    await watched.view(webHas(1))
    await watched.stands('fresh')
    const { version } = fake.state
    fake.remove('Service', 'default/web')
    fake.state.goBack(version - 500)
    fake.fault = ({ verb, query }) =>
      verb === 'watch' && Number(query.get('resourceVersion')) > version - 500
        ? { kind: 'status', code: 410 }
        : undefined
    const views = watched.views.length
    fake.cut()
    await watched.stands('failing', /older than one seen before.*got 5\d\d, seen 10\d\d/)
    t.equal(watched.views.length, views)
    await until('it is believed', async () => {
      await clock.advance(minutes / 2)
      return watched.views.at(-1)?.services.size === 0
    })
    t.ok(clock.monotonic() >= 5 * minutes)
    await watched.stands('fresh')
  })
})
