import t from 'tap'
import { changedKeys } from '../../../../mesh/std/table.ts'
import { endpointOf, podObject, serviceObject, sliceObject } from '../../../fakes/kubernetes-objects.ts'
import { startWorld } from '../../../fakes/kubernetes-world.ts'
import { until } from '../../../support/eventually.ts'

t.test('a cluster of two thousand pods', async t => {
  const { fake, watch, asked, count } = await startWorld(t)
  const pods = (service: number) => Array.from({ length: 10 }, (_, at) => `p${service}-${at}`)
  const slice = (service: number, ready = true) =>
    sliceObject(
      `s${service}-1`,
      `s${service}`,
      pods(service).map((pod, at) =>
        endpointOf(`10.1.${service}.${at + 1}`, pod, { conditions: { ready: ready || at > 0 } }),
      ),
    )
  for (let service = 0; service < 200; service += 1) {
    fake.put(serviceObject(`s${service}`), slice(service))
    for (const [at, pod] of pods(service).entries()) fake.put(podObject(pod, [`10.1.${service}.${at + 1}`]))
  }
  const watched = watch({ pace: { pageSize: 500 } })
  const first = await watched.view(() => true)
  t.equal(first.services.size, 201, 'the first view is whole')
  t.equal(first.workloads.size, 2_001)
  t.equal(asked('list', 'pods').length, 5, 'in pages')
  await until('all is watched', () => fake.watches.size === 3)

  await t.test('a change of one pod touches that pod', async t => {
    fake.put(slice(7, false))
    const after = await watched.view(view => view.workloads.get('k8s/default/p7-0')?.health === 'unhealthy')
    t.same(changedKeys(first.workloads, after.workloads), ['k8s/default/p7-0'])
    t.equal(after.services, first.services)
  })

  await t.test('a burst of changes is few views', async t => {
    const before = watched.views.length
    for (let service = 0; service < 200; service += 1) fake.put(slice(service, false))
    await watched.view(
      view =>
        view.workloads
          .values()
          .filter(one => one.health === 'unhealthy')
          .toArray().length === 200,
    )
    t.ok(watched.views.length - before <= 100, `${watched.views.length - before} views of 200 changes`)
  })

  await t.test('a complete list that says the same is no news', async t => {
    const before = watched.views.at(-1)
    fake.state.compact()
    fake.state.pass(1)
    const lists = count('list', 'pods')
    for (const open of [...fake.watches]) open.write(`${JSON.stringify(gone)}\n`)
    await until('all is listed again', () => count('list', 'pods') > lists && fake.watches.size === 3)
    fake.put(serviceObject('later'))
    const after = await watched.view(view => view.services.has('default/later'))
    t.equal(after.workloads, before?.workloads)
    t.same(changedKeys(before?.services ?? after.services, after.services), ['default/later'])
  })
})

const gone = {
  type: 'ERROR',
  object: { kind: 'Status', status: 'Failure', reason: 'Expired', message: 'old', code: 410 },
}
