import t from 'tap'
import { serviceObject, sliceObject } from '../../../fakes/kubernetes-objects.ts'
import { startWorld, webHas } from '../../../fakes/kubernetes-world.ts'
import { until } from '../../../support/eventually.ts'
import { endpointsOf } from '../../../support/watch-adapter.ts'

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
