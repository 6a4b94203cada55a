import t from 'tap'
import type { RegistrySnapshot } from '../../../../mesh/model/catalogue.ts'
import { Watch } from '../../../../mesh/std/watch.ts'
import { followWorkloads, type Touched } from '../../../../server/registrations/known-workloads.ts'
import { service, snapshotOf, workload } from '../../../support/catalogue.ts'

const a = workload({ id: 'files/a', address: '10.0.0.1', node: 'vm-1' })
const b = workload({ id: 'files/b', address: '10.0.0.1' })
const c = workload({ id: 'consul/c', address: '10.0.0.1', node: 'vm-2' })

function world() {
  const files = new Watch<RegistrySnapshot | undefined>(snapshotOf([], [a, b]))
  const consul = new Watch<RegistrySnapshot | undefined>(undefined)
  const known = followWorkloads([{ snapshot: files }, { snapshot: consul }])
  const touched: Touched[] = []
  const end = known.subscribe(where => touched.push(where))
  const ids = (workloads: Iterable<{ readonly id: string }>) => [...workloads].map(({ id }) => id)
  return { files, consul, known, touched, end, ids }
}

t.test('finds the workloads of all registries by address and by node', async t => {
  const { consul, known, ids } = world()
  t.same(ids(known.at('10.0.0.1')), ['files/a', 'files/b'])
  consul.set(snapshotOf([], [c]))
  t.same(ids(known.at('10.0.0.1')), ['files/a', 'files/b', 'consul/c'])
  t.same(ids(known.on('vm-2')), ['consul/c'])
  t.same(ids(known.at('10.0.0.2')), [])
  t.same(ids(known.on('vm-3')), [])
})

t.test('follows what moves and what goes, and says where', async t => {
  const { files, known, touched, ids } = world()
  const moved = { ...a, address: '10.0.0.2', node: 'vm-3' }
  files.set(snapshotOf([], [moved]))
  t.same(ids(known.at('10.0.0.1')), [])
  t.same(ids(known.at('10.0.0.2')), ['files/a'])
  t.same(ids(known.on('vm-1')), [])
  t.same(ids(known.on('vm-3')), ['files/a'])
  t.same(touched, [{ addresses: new Set(['10.0.0.1', '10.0.0.2']), nodes: new Set(['vm-1', 'vm-3']) }])
})

t.test('says nothing when no workload has changed, nor after the end', async t => {
  const { files, touched, known, end } = world()
  const before = files.value
  files.set(before === undefined ? undefined : { ...before, services: snapshotOf([service('x')], []).services })
  t.same(touched, [])
  end()
  files.set(snapshotOf([], []))
  t.same(touched, [])
  known.stop()
  files.set(snapshotOf([], [a]))
  t.same([...known.at('10.0.0.1')], [])
})
