import assert from 'node:assert/strict'
import t from 'tap'
import type { CatalogueSnapshot, RegistrySnapshot } from '../../../../mesh/model/catalogue.ts'
import type { Workload } from '../../../../mesh/model/workload.ts'
import { silentLog } from '../../../../mesh/std/log.ts'
import { type Table, tableOf } from '../../../../mesh/std/table.ts'
import { Watch } from '../../../../mesh/std/watch.ts'
import { emptyCatalogue, startCatalogue } from '../../../../server/catalogue/catalogue.ts'
import { composeMergeRules } from '../../../../server/catalogue/merge-rules.ts'
import type { RegistryView } from '../../../../server/catalogue/registry-view.ts'
import { createVirtualIps } from '../../../../server/catalogue/virtual-ips.ts'
import type { NodeRegistrations, ProbedHealth } from '../../../../server/health/host-reports.ts'
import { openSqliteStore } from '../../../../server/store/sqlite.ts'
import { FakeClock } from '../../../fakes/clock.ts'
import { service, snapshotOf, workload } from '../../../support/catalogue.ts'
import { eventually } from '../../../support/eventually.ts'

interface Teardown {
  teardown(stop: () => unknown): unknown
}

/** Only what the catalogue reads of a view. */
function viewOf(name: string): Pick<RegistryView, 'name' | 'kind' | 'snapshot' | 'held'> {
  const held = new Watch<Table<Workload>>(tableOf())
  return { name, kind: 'static', snapshot: new Watch<RegistrySnapshot | undefined>(undefined), held }
}

function start(t: Teardown, ...names: readonly string[]) {
  const clock = new FakeClock()
  const views = names.map(viewOf)
  const store = openSqliteStore(':memory:', { log: silentLog })
  const virtualIps = createVirtualIps(store.virtualIps, { ipv4: '240.240.0.0/16', ipv6: 'fd77:6566:7400::/64' })
  const snapshot = new Watch(emptyCatalogue)
  const { ready, stop } = startCatalogue(
    {
      snapshot,
      clock,
      log: silentLog,
      virtualIps,
      views,
      rules: new Watch(composeMergeRules({ rule: 'error', services: [] }, [], names)),
      probed: new Watch<Table<readonly ProbedHealth[]>>(tableOf()),
      reporting: new Watch<Table<NodeRegistrations>>(tableOf()),
    },
    { dnsDomain: 'mesh' },
  )
  t.teardown(async () => {
    await stop()
    await store.close()
  })
  const catalogue = { snapshot, ready }
  return { clock, catalogue, store, say: (index: number, view: RegistrySnapshot) => views[index]?.snapshot.set(view) }
}

function keysOf(catalogue: { readonly snapshot: Watch<CatalogueSnapshot> }) {
  return [...catalogue.snapshot.value.services.keys()]
}

t.test('nothing is published before every registry has spoken', async t => {
  const { clock, catalogue, say } = start(t, 'files', 'consul')
  say(0, snapshotOf([service('api')], []))
  await clock.advance(1000)
  t.equal(catalogue.ready.value, false)
  t.same(keysOf(catalogue), [])
  say(1, snapshotOf([service('web')], []))
  await clock.advance(0)
  await eventually(() => assert.equal(catalogue.ready.value, true))
  t.same(keysOf(catalogue), ['default/api', 'default/web'])
})

t.test('a registry that never speaks holds the others up for 15 seconds', async t => {
  const { clock, catalogue, say } = start(t, 'files', 'consul')
  say(0, snapshotOf([service('api')], []))
  await clock.advance(14_999)
  t.equal(catalogue.ready.value, false)
  await clock.advance(1)
  await eventually(() => assert.equal(catalogue.ready.value, true))
  t.same(keysOf(catalogue), ['default/api'])
})

t.test('a server without registries is ready with nothing', async t => {
  const { catalogue } = start(t)
  await eventually(() => assert.equal(catalogue.ready.value, true))
  t.same(keysOf(catalogue), [])
})

t.test('services carry their virtual IPs and unchanged ones stay the same object', async t => {
  const { clock, catalogue, say } = start(t, 'r')
  const api = service('api', ['r/a'])
  say(0, snapshotOf([api], [workload({ id: 'r/a' })]))
  await eventually(() => assert.equal(catalogue.snapshot.value.services.size, 1))
  const before = catalogue.snapshot.value.services.get('default/api')
  t.same(before?.virtualIps, ['240.240.0.1', 'fd77:6566:7400::1'])
  t.same(before?.registries, ['r'])
  await clock.advance(100)
  say(0, snapshotOf([api, service('web')], [workload({ id: 'r/a' })]))
  await clock.advance(100)
  await eventually(() => assert.equal(catalogue.snapshot.value.services.size, 2))
  t.equal(catalogue.snapshot.value.services.get('default/api'), before)
})

t.test('a service whose connections go on to where they were made to has no virtual IPs', async t => {
  const { clock, catalogue, say } = start(t, 'files')
  const addresses = () => catalogue.snapshot.value.services.get('default/any')?.virtualIps.length
  say(0, snapshotOf([service('any', [], { location: 'external', resolution: 'none' })], []))
  await clock.advance(1000)
  await eventually(() => assert.equal(addresses(), 0))
  say(0, snapshotOf([service('any', [], { location: 'external', resolution: 'dns' })], []))
  await clock.advance(1000)
  await eventually(() => assert.equal(addresses(), 2))
  say(0, snapshotOf([service('any', [], { location: 'external', resolution: 'none' })], []))
  await clock.advance(1000)
  await eventually(() => assert.equal(addresses(), 0))
})

t.test('changes that come together are merged once', async t => {
  const { clock, catalogue, say } = start(t, 'r')
  say(0, snapshotOf([], []))
  await eventually(() => assert.equal(catalogue.ready.value, true))
  let published = 0
  t.teardown(catalogue.snapshot.subscribe(() => (published += 1)))
  for (let count = 1; count <= 50; count += 1) {
    say(
      0,
      snapshotOf(
        Array.from({ length: count }, (_, index) => service(`s${index}`)),
        [],
      ),
    )
  }
  await clock.advance(100)
  await eventually(() => assert.equal(catalogue.snapshot.value.services.size, 50))
  t.ok(published <= 2, `${published} publications`)
})

t.test('while the store fails, known services go on and new ones are named as lacking', async t => {
  const { clock, catalogue, store, say } = start(t, 'r')
  say(0, snapshotOf([service('api')], []))
  await eventually(() => assert.equal(catalogue.snapshot.value.services.size, 1))
  await store.close()
  say(0, snapshotOf([service('api', [], { hosts: ['api.example'] }), service('web')], []))
  await clock.advance(100)
  await eventually(() => assert.equal(catalogue.snapshot.value.services.size, 2))
  const { services, problems } = catalogue.snapshot.value
  t.match(services.get('default/api'), { hosts: ['api.example'], virtualIps: ['240.240.0.1', 'fd77:6566:7400::1'] })
  t.same(services.get('default/web')?.virtualIps, [])
  t.match(problems, [{ item: 'service default/web', reason: /no virtual IP/ }])
})
