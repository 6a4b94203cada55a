import t from 'tap'
import { FakeClock } from '../../../fakes/clock.ts'
import { podObject, serviceObject, sliceObject } from '../../../fakes/kubernetes-objects.ts'
import { startWorld, webHas } from '../../../fakes/kubernetes-world.ts'
import { until } from '../../../support/eventually.ts'

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
    fake.put(podObject(`p${minute}`, ['10.0.9.9']), serviceObject(`s${minute}`), sliceObject(`e${minute}`, 'none', []))
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
    verb === 'watch' && Number(query.get('resourceVersion')) > version - 500 ? { kind: 'status', code: 410 } : undefined
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
