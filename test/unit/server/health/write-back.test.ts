import t from 'tap'
import type { CatalogueSnapshot, CatalogueWorkload } from '../../../../mesh/model/catalogue.ts'
import { tableOf } from '../../../../mesh/std/table.ts'
import { Watch } from '../../../../mesh/std/watch.ts'
import { startHealthWriteBack } from '../../../../server/health/write-back.ts'
import { catalogueWorkload, workload } from '../../../support/catalogue.ts'

function catalogueOf(...workloads: readonly CatalogueWorkload[]): CatalogueSnapshot {
  return { services: tableOf(), workloads: tableOf(workloads.map(one => [one.id, one] as const)), problems: [] }
}

const of = (id: string, given: Partial<CatalogueWorkload> = {}) => ({
  ...catalogueWorkload(workload({ id })),
  ...given,
})

function start() {
  const told: unknown[] = []
  let stopped = false
  const catalogue = new Watch(catalogueOf())
  const writer = {
    set: (id: string, health: unknown) => void told.push([id, health]),
    stop: async () => {
      stopped = true
    },
  }
  const back = startHealthWriteBack(catalogue, new Map([['consul', writer]]))
  return { catalogue, told, back, stopped: () => stopped }
}

t.test('a registry is told what was checked of its own workloads, and nothing else', async t => {
  const { catalogue, told } = start()
  catalogue.set(
    catalogueOf(
      of('consul/a', { healthFrom: 'probe' }),
      of('consul/b', { healthFrom: 'probe', health: 'unhealthy', healthReason: 'connection refused' }),
      of('consul/c', { health: 'unhealthy' }),
      of('consul/d', { healthFrom: 'probe', held: true }),
      of('nomad/e', { healthFrom: 'probe' }),
    ),
  )
  t.same(told, [
    ['consul/a', { healthy: true, reason: '' }],
    ['consul/b', { healthy: false, reason: 'connection refused' }],
  ])
})

t.test('a change is told once, and what is not checked any more is taken back', async t => {
  const { catalogue, told } = start()
  const a = of('consul/a', { healthFrom: 'probe' })
  catalogue.set(catalogueOf(a))
  catalogue.set(catalogueOf(a, of('consul/b')))
  t.equal(told.length, 1)
  catalogue.set(catalogueOf(of('consul/a')))
  t.same(told.at(-1), ['consul/a', undefined])
  catalogue.set(catalogueOf(of('consul/a', { healthFrom: 'probe' })))
  catalogue.set(catalogueOf())
  t.same(told.at(-1), ['consul/a', undefined])
})

t.test('stopping stops the writers and tells nothing more', async t => {
  const { catalogue, told, back, stopped } = start()
  await back.stop()
  t.equal(stopped(), true)
  catalogue.set(catalogueOf(of('consul/a', { healthFrom: 'probe' })))
  t.same(told, [])
})
