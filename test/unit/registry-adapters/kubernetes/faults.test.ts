import t from 'tap'
import type { Fault } from '../../../fakes/kubernetes.ts'
import { serviceObject } from '../../../fakes/kubernetes-objects.ts'
import { failed, startWorld, webHas } from '../../../fakes/kubernetes-world.ts'
import { until } from '../../../support/eventually.ts'
import { endpointsOf } from '../../../support/watch-adapter.ts'

const list = { kind: 'ServiceList', apiVersion: 'v1', metadata: { resourceVersion: '9' } }

const faults: readonly (readonly [string, Fault, RegExp])[] = [
  ['has lost its etcd', { kind: 'status', code: 500, message: 'etcdserver: leader changed' }, /leader changed/],
  ['is overloaded', { kind: 'status', code: 503 }, /answers with an error.*503/],
  ['limits the rate', { kind: 'status', code: 429, retryAfterS: 1 }, /limits the rate.*429/],
  ['knows the token no more', { kind: 'status', code: 401 }, /does not accept the credentials.*401/],
  ['no longer allows it', { kind: 'status', code: 403 }, /a rule is missing.*verbs \["list", "watch"\].*403/],
  ['answers 410 to everything', { kind: 'status', code: 410 }, /no longer has that version/],
  ['redirects to a login page', { kind: 'status', code: 302 }, /strange status.*302/],
  ['answers garbage', { kind: 'garbage' }, /no json/],
  ['answers a login page', { kind: 'body', body: 'please log in' }, /no list|another shape/],
  ['answers null', { kind: 'body', body: null }, /no list|another shape/],
  ['answers a list without its version', { kind: 'body', body: { ...list, metadata: {}, items: [] } }, /no list|shape/],
  ['answers a list without items', { kind: 'body', body: list }, /no list|another shape/],
  [
    'answers a Status as if it were good',
    { kind: 'body', body: { ...list, kind: 'Status', items: [] } },
    /no list|shape/,
  ],
  ['answers objects without names', { kind: 'body', body: { ...list, items: [{ spec: {} }] } }, /without name|shape/],
  ['breaks off its answers', { kind: 'cut', midway: true }, /cannot be read/],
  ['hangs up', { kind: 'cut', midway: false }, /cannot be read/],
  ['does not answer', { kind: 'hang' }, /in time/],
]

for (const [what, fault, reason] of faults) {
  t.test(`an API server that ${what} keeps its last view, and is fresh when it is well again`, async t => {
    const { fake, watch, add } = await startWorld(t)
    const watched = watch({ pace: { answerMs: 300 } })
    const before = await watched.view(webHas(1))
    await watched.stands('fresh')
    fake.fault = () => fault
    fake.cut()
    await watched.stands('failing', reason)
    t.same(watched.views, [before])
    fake.fault = () => undefined
    await watched.stands('fresh')
    add('web-b', '10.0.0.2')
    await watched.view(webHas(2))
    for (const view of watched.views) t.ok(endpointsOf(view, 'web')?.includes('10.0.0.1:8080'))
  })

  t.test(`an API server that ${what} from the start gives no view until it is well`, async t => {
    const { fake, watch } = await startWorld(t)
    fake.fault = () => fault
    const watched = watch({ pace: { answerMs: 300 } })
    await watched.stands('failing', reason)
    t.same(watched.views, [])
    fake.fault = () => undefined
    const first = await watched.view(() => true)
    t.same(endpointsOf(first, 'web'), ['10.0.0.1:8080'])
    await watched.stands('fresh')
  })
}

const everything = { nodes: true, istio: true } as const

for (const resource of [
  'services',
  'endpointslices',
  'pods',
  'nodes',
  'serviceentries',
  'workloadentries',
  'workloadgroups',
]) {
  for (const verb of ['list', 'watch'] as const) {
    t.test(`a fault of the ${verb} of ${resource} alone is a failure that names it, and heals`, async t => {
      const { fake, watch } = await startWorld(t)
      fake.fault = request =>
        request.resource === resource && request.verb === verb ? { kind: 'status', code: 500 } : undefined
      const watched = watch(everything)
      await watched.stands('failing', new RegExp(`verb ${verb}, read ${resource}, status 500`))
      // a list of everything is a view; without one there is none
      if (verb === 'list') t.same(watched.views, [])
      fake.fault = () => undefined
      await watched.view(webHas(1))
      await watched.stands('fresh')
    })
  }
}

t.test('while one resource fails, what the others say is shown', async t => {
  const { fake, watch } = await startWorld(t)
  const watched = watch()
  await watched.view(webHas(1))
  await until('all is watched', () => fake.watches.size === 3)
  fake.fault = request => (request.resource === 'pods' ? { kind: 'status', code: 500 } : undefined)
  for (const open of [...fake.watches].filter(one => one.request.resource === 'pods')) open.cut()
  await watched.stands('failing', /pods/)
  fake.put(serviceObject('api'))
  const view = await watched.view(view => view.services.has('default/api'))
  t.same(endpointsOf(view, 'web'), ['10.0.0.1:8080'])
})

t.test('an event that is no event is a failure, and everything is listed anew', async t => {
  const { fake, watch, add, count } = await startWorld(t)
  const watched = watch()
  await watched.view(webHas(1))
  await until('all is watched', () => fake.watches.size === 3)
  await watched.stands('fresh')
  for (const text of ['{"type":"ADDED","object":{}}', '{"type":"NEWS"}', '[1]', '{"type":"ADDED', '"']) {
    const before = count('list', 'endpointslices')
    const said = watched.health.length
    const open = [...fake.watches].filter(one => one.request.resource === 'endpointslices').at(-1)
    open?.write(`${text}\n`)
    await failed(watched, said, /shape|without name|no json/)
    await watched.stands('fresh')
    t.equal(count('list', 'endpointslices'), before + 1, text)
  }
  t.equal(watched.views.length, 1)
  add('web-b', '10.0.0.2')
  await watched.view(webHas(2))
})

t.test('an error within a watch is a failure, and the watch is taken up where it was', async t => {
  const { fake, watch, count } = await startWorld(t)
  const watched = watch()
  await watched.view(webHas(1))
  await until('all is watched', () => fake.watches.size === 3)
  await watched.stands('fresh')
  const [open] = [...fake.watches].filter(one => one.request.resource === 'services')
  const object = { kind: 'Status', status: 'Failure', message: 'storage is being moved', code: 500 }
  open?.write(`${JSON.stringify({ type: 'ERROR', object })}\n`)
  await failed(watched, 1, /storage is being moved/)
  await watched.stands('fresh')
  t.equal(count('list', 'services'), 1)
  t.equal(watched.views.length, 1)
})

t.test('an event beyond all measure is not read', async t => {
  const { fake, watch } = await startWorld(t)
  const watched = watch({ pace: { maxEventBytes: 10_000 } })
  await watched.view(webHas(1))
  await until('all is watched', () => fake.watches.size === 3)
  const [open] = [...fake.watches].filter(one => one.request.resource === 'services')
  open?.write('x'.repeat(20_000))
  await failed(watched, 0, /event of kubernetes is too large.*10000/)
  await watched.stands('fresh')
})

t.test('a page beyond all measure is not read', async t => {
  const { fake, watch } = await startWorld(t)
  fake.fault = () => ({ kind: 'body', body: 'x'.repeat(20_000) })
  const watched = watch({ pace: { maxPageBytes: 10_000 } })
  await watched.stands('failing', /answer of kubernetes is too large/)
  t.same(watched.views, [])
})
