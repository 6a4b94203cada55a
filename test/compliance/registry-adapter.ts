import type { Test } from 'tap'
import { serviceKey } from '../../mesh/model/service.ts'
import { eventually } from '../support/eventually.ts'
import type { RegisteredInstance, RegistryAdapterSuite, RegistryDriver } from './registry-driver.ts'
import { testRegistryFaults } from './registry-faults.ts'
import {
  expectHealth,
  expectNoHandles,
  expectNoTimers,
  openHandles,
  placed,
  registryName,
  watch,
} from './registry-watching.ts'

export type { RegisteredInstance, RegistryAdapterSuite, RegistryDriver } from './registry-driver.ts'

const api1: RegisteredInstance = { id: 'api-1', service: 'api', address: '10.77.0.1', port: 8080 }
const api2: RegisteredInstance = { id: 'api-2', service: 'api', address: '10.77.0.2', port: 8081 }
const web1: RegisteredInstance = { id: 'web-1', service: 'web', address: '10.77.0.3', port: 9090 }

/** The promises of `registry-adapters/adapter.ts`, as tests that every adapter passes. */
export async function testRegistryAdapter(t: Test, suite: RegistryAdapterSuite): Promise<void> {
  const start = async (test: Test): Promise<RegistryDriver> => {
    const driver = await suite.setup()
    test.teardown(() => driver.stop())
    return driver
  }

  await t.test('the first view is whole, and fresh is reported with it', async t => {
    const driver = await start(t)
    for (const instance of [api1, api2, web1]) await driver.put(instance)
    const watching = watch(t, driver)
    const first = await watching.until(() => true)
    t.same(placed(first, 'api'), ['10.77.0.1:8080', '10.77.0.2:8081'])
    t.same(placed(first, 'web'), ['10.77.0.3:9090'])
    t.same(first.problems, [])
    await eventually(() => expectHealth(watching, 'fresh'))
  })

  await t.test('a change yields a new whole view', async t => {
    const driver = await start(t)
    await driver.put(api1)
    const watching = watch(t, driver)
    await watching.until(view => placed(view, 'api').length === 1)
    await driver.put(web1)
    const grown = await watching.until(view => placed(view, 'web').length === 1)
    t.same(placed(grown, 'api'), ['10.77.0.1:8080'], 'what did not change is there too')
    await driver.put({ ...api1, address: '10.77.0.9' })
    await watching.until(view => placed(view, 'api').includes('10.77.0.9:8080'))
    await driver.remove(api1.id)
    const shrunk = await watching.until(view => placed(view, 'api').length === 0)
    t.same(placed(shrunk, 'web'), ['10.77.0.3:9090'])
    t.notOk(
      [...shrunk.workloads.keys()].some(id => id.endsWith('/api-1')),
      'a removed workload is gone',
    )
  })

  await t.test('a registry that becomes empty without failing is seen as empty', async t => {
    const driver = await start(t)
    await driver.put(api1)
    const watching = watch(t, driver)
    await watching.until(view => placed(view, 'api').length === 1)
    await driver.remove(api1.id)
    await watching.until(view => placed(view, 'api').length === 0)
  })

  await t.test('an unusable item is left out by name while the rest stays', async t => {
    const driver = await start(t)
    await driver.put(api1)
    await driver.putBad('broken-1')
    const watching = watch(t, driver)
    const first = await watching.until(view => view.problems.length > 0)
    t.same(placed(first, 'api'), ['10.77.0.1:8080'])
    t.ok(
      first.problems.some(problem => problem.item.includes('broken-1') && problem.reason !== ''),
      'the problem names the item and says why',
    )
    await driver.remove('broken-1')
    const cured = await watching.until(view => view.problems.length === 0)
    t.same(placed(cured, 'api'), ['10.77.0.1:8080'])
  })

  await t.test('an item that becomes unusable later does not take others with it', async t => {
    const driver = await start(t)
    await driver.put(api1)
    const watching = watch(t, driver)
    await watching.until(view => placed(view, 'api').length === 1)
    await driver.putBad('broken-2')
    const view = await watching.until(view => view.problems.some(problem => problem.item.includes('broken-2')))
    t.same(placed(view, 'api'), ['10.77.0.1:8080'])
  })

  await t.test('says nothing when nothing has changed', async t => {
    const driver = await start(t)
    await driver.put(api1)
    const watching = watch(t, driver)
    await watching.until(view => placed(view, 'api').length === 1)
    for (let times = 0; times < 3; times += 1) await driver.touch()
    await driver.put(web1)
    // watch() itself fails the test when two views in a row say the same
    await watching.until(view => placed(view, 'web').length === 1)
  })

  await t.test('a failing registry reports failing, yields nothing, and recovers by itself', async t => {
    const driver = await start(t)
    await driver.put(api1)
    const watching = watch(t, driver)
    await watching.until(view => placed(view, 'api').length === 1)
    await eventually(() => expectHealth(watching, 'fresh'))
    const before = watching.views.length
    await driver.fail()
    await eventually(() => expectHealth(watching, 'failing'))
    t.equal(watching.views.length, before, 'an outage is no news')
    await driver.heal()
    await eventually(() => expectHealth(watching, 'fresh'))
    await driver.put(web1)
    await watching.until(view => placed(view, 'web').length === 1)
    for (const view of watching.views.slice(before - 1)) {
      t.same(placed(view, 'api'), ['10.77.0.1:8080'], 'the outage never looked like an empty registry')
    }
  })

  await t.test('a registry that fails from the start yields nothing until its first good answer', async t => {
    const driver = await start(t)
    await driver.put(api1)
    await driver.fail()
    const watching = watch(t, driver)
    await eventually(() => expectHealth(watching, 'failing'))
    t.equal(watching.views.length, 0)
    await driver.heal()
    const first = await watching.until(() => true)
    t.same(placed(first, 'api'), ['10.77.0.1:8080'])
    await eventually(() => expectHealth(watching, 'fresh'))
  })

  await t.test('every view holds together: ids are unique and of this registry, endpoints name workloads', async t => {
    const driver = await start(t)
    for (const instance of [api1, api2, web1]) await driver.put(instance)
    const watching = watch(t, driver)
    const view = await watching.until(() => true)
    const ids = [...view.workloads.keys()]
    for (const [id, workload] of view.workloads) {
      t.equal(workload.id, id)
      t.ok(workload.id.startsWith(`${registryName}/`), workload.id)
      t.equal(workload.registry, registryName)
    }
    for (const [key, service] of view.services) {
      t.equal(serviceKey(service), key)
      const names = service.ports.map(port => port.name)
      t.equal(new Set(names).size, names.length, 'port names are unique')
      for (const endpoint of service.endpoints) {
        t.ok(ids.includes(endpoint.workload), endpoint.workload)
        for (const name of Object.keys(endpoint.ports)) t.ok(names.includes(name), name)
      }
    }
  })

  await t.test('abort ends the iteration, leaves nothing open, and nothing is yielded after it', async t => {
    const driver = await start(t)
    await driver.put(api1)
    const handles = openHandles()
    const watching = watch(t, driver)
    await watching.until(view => placed(view, 'api').length === 1)
    watching.abort()
    await watching.ended
    const seen = watching.views.length
    const said = watching.health.length
    await eventually(() => {
      expectNoTimers(watching)
      expectNoHandles(handles)
    })
    await driver.put(web1)
    t.equal(watching.views.length, seen)
    t.equal(watching.health.length, said, 'being aborted is not a failure')
  })

  await t.test('abort ends a watch whose registry is failing', async t => {
    const driver = await start(t)
    await driver.fail()
    const watching = watch(t, driver)
    await eventually(() => expectHealth(watching, 'failing'))
    watching.abort()
    await watching.ended
    await eventually(() => expectNoTimers(watching))
    t.equal(watching.views.length, 0)
  })

  await t.test('a signal that has already aborted yields nothing', async t => {
    const driver = await start(t)
    await driver.put(api1)
    const watching = watch(t, driver, AbortSignal.abort())
    await watching.ended
    t.equal(watching.views.length, 0)
  })

  await t.test('what has not changed is the same object in the next view', async t => {
    const driver = await start(t)
    for (const instance of [api1, api2, web1]) await driver.put(instance)
    const watching = watch(t, driver)
    const before = await watching.until(view => placed(view, 'api').length === 2 && placed(view, 'web').length === 1)
    await driver.put({ ...web1, address: '10.77.0.8' })
    const after = await watching.until(view => placed(view, 'web').includes('10.77.0.8:9090'))
    const unchanged = [...before.workloads].filter(([, workload]) => workload.address !== web1.address)
    t.ok(unchanged.length >= 2)
    for (const [id, workload] of unchanged) t.equal(after.workloads.get(id), workload, id)
    const api = [...before.services].find(([, service]) => service.name === 'api')
    t.equal(after.services.get(api?.[0] ?? ''), api?.[1], 'the service of the others')
  })

  await testRegistryFaults(t, suite)
}
