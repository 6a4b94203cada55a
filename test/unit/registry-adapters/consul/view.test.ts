import t from 'tap'
import type { ConsulInstance } from '../../../../registry-adapters/consul/answers.ts'
import { createView } from '../../../../registry-adapters/consul/view.ts'

const instance = (id: string, modifyIndex = 1): ConsulInstance => ({
  node: { name: 'vm-1', address: '10.99.0.1', datacenter: 'dc1', meta: {} },
  id,
  kind: '',
  address: '',
  port: 80,
  tags: [],
  meta: {},
  weights: { passing: 1, warning: 1 },
  checks: [],
  modifyIndex,
})
const create = () => createView({ registry: 'consul', meshNamespace: 'default', defaultServiceAccount: 'none' })

t.test('a change is given out once, and the first one even when nothing is there', async t => {
  const view = create()
  t.same(view.takeChange(), { services: [], workloads: [], problems: [] })
  t.equal(view.takeChange(), undefined)
  view.set('api', [instance('api-1')])
  t.equal(view.takeChange()?.services.length, 1)
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
    services.map(({ name }) => name),
    ['api', 'web'],
  )
  t.same(
    workloads.map(({ id }) => id),
    ['consul/vm-1/api-1', 'consul/vm-1/web-1'],
  )
})

t.test('an instance that was registered anew under another name is in the newer service only', async t => {
  const view = create()
  view.set('new', [instance('x-1', 8)])
  view.set('old', [instance('x-1', 5), instance('x-2', 5)])
  const { services = [], workloads = [] } = view.takeChange() ?? {}
  t.same(
    services.map(({ name, endpoints }) => [name, endpoints.map(({ workload }) => workload)]),
    [
      ['new', ['consul/vm-1/x-1']],
      ['old', ['consul/vm-1/x-2']],
    ],
  )
  t.equal(workloads.length, 2)
})

t.test('it gives what was read, service by service', async t => {
  const view = create()
  const instances = [instance('api-1')]
  view.set('api', instances)
  t.same([...view.all()], [['api', instances]])
})
