import t from 'tap'
import { createView } from '../../../../registry-adapters/consul/view.ts'
import { consulInstance, plainContext } from '../../../support/consul-instance.ts'

const instance = (id: string, modifyIndex = 1) => consulInstance({ id, modifyIndex })
const create = () => createView(plainContext)

t.test('a change is given out once, and the first one even when nothing is there', async t => {
  const view = create()
  t.same(view.takeChange(), { services: [], workloads: [], problems: [] })
  t.equal(view.takeChange(), undefined)
  view.set('api', [instance('api-1')])
  t.equal(view.takeChange()?.services.size, 1)
  view.set('api', [instance('api-1', 99)])
  t.equal(view.takeChange(), undefined, 'another index alone shows nowhere')
})

t.test('services that vanish are a change when they showed', async t => {
  const view = create()
  view.set('consul', [instance('consul')])
  view.set('api', [instance('api-1')])
  view.takeChange()
  view.retain(new Set(['api']))
  t.equal(view.takeChange(), undefined)
  view.retain(new Set())
  t.same(view.takeChange()?.workloads, [])
  t.notOk(view.has('api'))
})

t.test('everything is in order, whatever was read first', async t => {
  const view = create()
  for (const name of ['web', 'api']) view.set(name, [instance(`${name}-1`)])
  const { services = [], workloads = [] } = view.takeChange() ?? {}
  t.same(
    services
      .values()
      .toArray()
      .map(({ name }) => name),
    ['api', 'web'],
  )
  t.same(
    workloads
      .values()
      .toArray()
      .map(({ id }) => id),
    ['consul/vm-1/api-1', 'consul/vm-1/web-1'],
  )
})

t.test('an instance that was registered anew under another name is in the newer service only', async t => {
  const view = create()
  view.set('new', [instance('x-1', 8)])
  view.set('old', [instance('x-1', 5), instance('x-2', 5)])
  const { services, workloads } = view.takeChange()!
  t.same(
    services
      .values()
      .toArray()
      .map(({ name, endpoints }) => [name, endpoints.map(({ workload }) => workload)]),
    [
      ['new', ['consul/vm-1/x-1']],
      ['old', ['consul/vm-1/x-2']],
    ],
  )
  t.equal(workloads.size, 2)
})

t.test('a change leaves all other objects as they are', async t => {
  const view = create()
  for (const name of ['web', 'api']) view.set(name, [instance(`${name}-1`), instance(`${name}-2`)])
  const before = view.takeChange()
  t.notOk(view.set('web', [instance('web-1', 7), instance('web-2', 7)]), 'read again, nothing shows')
  t.ok(view.set('api', [instance('api-1'), { ...instance('api-2'), address: '10.77.0.9' }]))
  const after = view.takeChange()
  t.equal(after?.services.get('default/api'), before?.services.get('default/api'))
  t.equal(after?.workloads.get('consul/vm-1/api-1'), before?.workloads.get('consul/vm-1/api-1'))
  t.equal(after?.workloads.get('consul/vm-1/api-2')?.address, '10.77.0.9')
  t.equal(after?.services.get('default/web'), before?.services.get('default/web'))
})

t.test('what changes and changes back before anybody looks is no change', async t => {
  const view = create()
  view.set('api', [instance('api-1')])
  view.takeChange()
  view.set('api', [{ ...instance('api-1'), port: 81 }])
  view.set('api', [instance('api-1')])
  t.equal(view.takeChange(), undefined)
})

t.test('an instance whose newer service goes is in the older one again', async t => {
  const view = create()
  view.set('old', [instance('x-1', 5)])
  view.set('new', [instance('x-1', 8)])
  t.same(view.takeChange()?.services.get('default/old')?.endpoints, [])
  view.retain(new Set(['old']))
  const { services, workloads } = view.takeChange()!
  t.equal(services.get('default/old')?.endpoints.length, 1)
  t.notOk(services.has('default/new'))
  t.equal(workloads.get('consul/vm-1/x-1')?.name, 'old')
})

t.test('problems are those of all services, in order, and go with their service', async t => {
  const view = create()
  const bad = (id: string) => ({ ...instance(id), address: 'nowhere' })
  view.set('web', [bad('web-1')])
  view.set('api', [bad('api-1'), bad('api-2')])
  t.same(
    view.takeChange()?.problems.map(({ item }) => item),
    ['vm-1/api-1', 'vm-1/api-2', 'vm-1/web-1'],
  )
  view.set('web', [instance('web-1')])
  t.equal(view.takeChange()?.problems.length, 2)
  view.retain(new Set())
  t.same(view.takeChange()?.problems, [])
})
