import t from 'tap'
import type { RegistrySnapshot } from '../../../../mesh/model/catalogue.ts'
import { Watch } from '../../../../mesh/std/watch.ts'
import { countChanges } from '../../../../server/telemetry/changes.ts'
import { service, snapshotOf, workload } from '../../../support/catalogue.ts'

t.test('what came, went or changed is counted, and what stayed is not', async t => {
  const first = snapshotOf([service('api', ['f/1'])], [workload({ id: 'f/1' }), workload({ id: 'f/2' })])
  const view = new Watch<RegistrySnapshot | undefined>(undefined)
  const counted: number[] = []
  const stop = countChanges(view, items => counted.push(items))
  view.set(first)
  view.set({
    ...first,
    services: first.services.with([['default/web', service('web')]]),
    workloads: first.workloads.with([
      ['f/1', workload({ id: 'f/1', health: 'unhealthy' })],
      ['f/2', undefined],
    ]),
  })
  view.set({ ...first, problems: [{ item: 'x', reason: 'y' }] })
  stop()
  view.set(undefined)
  t.same(counted, [0, 3, 3, 3])
})

t.test('a view that is there already counts as having come', async t => {
  const counted: number[] = []
  countChanges(new Watch(snapshotOf([service('api')], [])), items => counted.push(items))
  t.same(counted, [1])
})
