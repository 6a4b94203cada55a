import { isDeepStrictEqual } from 'node:util'
import type { Test } from 'tap'
import type { RegistrySnapshot } from '../../mesh/model/catalogue.ts'
import { serviceKey } from '../../mesh/model/service.ts'
import { type Clock, systemClock, systemRandom } from '../../mesh/std/clock.ts'
import { silentLog } from '../../mesh/std/log.ts'
import type { AdapterDeps, AdapterHealth, RegistryAdapter } from '../../registry-adapters/adapter.ts'
import { plain } from '../support/catalogue.ts'
import { eventually } from '../support/eventually.ts'

/** What the suite registers: one workload that serves one port of one service, in the registry's default namespace. */
export interface RegisteredInstance {
  /** The registry's own stable name for it; unique among everything the suite registers. */
  readonly id: string
  readonly service: string
  readonly address: string
  /** The port on the workload. A service's port has the same number where the registry knows no other. */
  readonly port: number
}

/**
 * The registry behind the adapter under test, driven from the outside as its users would. Every call resolves once the
 * registry itself holds the change; the adapter may learn of it later. No call leaves a connection, timer or watcher of
 * the driver's own behind: the suite counts open handles.
 */
export interface RegistryDriver {
  /** An adapter with the given deps on this registry, not yet watching. Back-off and re-read intervals should be short. */
  adapter(deps: AdapterDeps): RegistryAdapter
  /** Adds or replaces an instance; its service exists from the first instance on. */
  put(instance: RegisteredInstance): Promise<void>
  /** Removes an instance; with its last one the service may stay, empty, or go. */
  remove(id: string): Promise<void>
  /** Adds an item of that id which the adapter cannot use; its problem's `item` must contain the id. */
  putBad(id: string): Promise<void>
  /** Makes the registry notify or answer again although nothing that matters has changed. */
  touch(): Promise<void>
  /** The registry stops answering, or refuses. */
  fail(): Promise<void>
  /** The registry answers again, holding what it held. */
  heal(): Promise<void>
  /** Ends the registry; also called for one that has failed. */
  stop(): Promise<void>
}

export interface RegistryAdapterSuite {
  /** A registry of its own for each test, empty and answering. */
  setup(): Promise<RegistryDriver>
}

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
      const left = [...openHandles()].filter(([kind, count]) => count > (handles.get(kind) ?? 0))
      if (left.length > 0) throw new Error(`left open: ${left.map(([kind, count]) => `${count} ${kind}`).join(', ')}`)
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
}

const registryName = 'under-test'

interface Watching {
  readonly views: RegistrySnapshot[]
  readonly health: AdapterHealth[]
  /** Settles with the iteration. */
  readonly ended: Promise<void>
  /** The first view, from the last one taken on, that fits. */
  until(fits: (view: RegistrySnapshot) => boolean): Promise<RegistrySnapshot>
  abort(): void
  pendingTimers(): number
}

/** Follows an adapter in the background, keeping all it says. */
function watch(t: Test, driver: RegistryDriver, given?: AbortSignal): Watching {
  const controller = new AbortController()
  const signal = given ?? controller.signal
  const timers = countingClock()
  const views: RegistrySnapshot[] = []
  const health: AdapterHealth[] = []
  const adapter = driver.adapter({
    name: registryName,
    clock: timers.clock,
    random: systemRandom,
    log: silentLog,
    report: said => void health.push(said),
  })
  const run = async () => {
    for await (const view of adapter.watch(signal)) {
      if (signal.aborted) t.fail('a view came after the abort')
      const last = views.at(-1)
      if (last !== undefined && isDeepStrictEqual(plain(view), plain(last))) t.fail('two views in a row say the same')
      views.push(view)
    }
  }
  const ended = run()
  let failure: unknown
  ended.catch(error => {
    failure = error
  })
  t.teardown(async () => {
    controller.abort()
    await ended
  })
  let taken = 0
  return {
    views,
    health,
    ended,
    abort: () => controller.abort(),
    pendingTimers: timers.pending,
    until: fits =>
      eventually(() => {
        if (failure !== undefined) throw failure
        const at = views.findIndex((view, index) => index >= taken && fits(view))
        const found = views[at]
        if (found === undefined)
          throw new Error(`no such view; the last one: ${JSON.stringify(views.slice(-1).map(plain))}`)
        taken = at
        return found
      }),
  }
}

function expectHealth(watching: Watching, kind: AdapterHealth['kind']): void {
  const last = watching.health.at(-1)
  if (last?.kind !== kind) throw new Error(`health is ${JSON.stringify(last)}, not ${kind}`)
}

function expectNoTimers(watching: Watching): void {
  if (watching.pendingTimers() > 0) throw new Error(`${watching.pendingTimers()} timers left`)
}

/** `address:port` of every endpoint of a service, sorted; empty for a service that is not there. */
function placed(view: RegistrySnapshot, name: string): string[] {
  const endpoints = [...view.services.values()]
    .filter(service => service.name === name)
    .flatMap(service => service.endpoints)
  return endpoints
    .flatMap(({ workload, ports }) =>
      Object.values(ports).map(port => `${view.workloads.get(workload)?.address}:${port}`),
    )
    .sort()
}

/** The real clock, knowing which of its timers are still pending. */
function countingClock(): { clock: Clock; pending(): number } {
  const pending = new Set<object>()
  const clock: Clock = {
    ...systemClock,
    timer(delayMs, run) {
      const mark = {}
      pending.add(mark)
      const timer = systemClock.timer(delayMs, () => {
        pending.delete(mark)
        run()
      })
      return {
        cancel() {
          pending.delete(mark)
          timer.cancel()
        },
      }
    },
  }
  return { clock, pending: () => pending.size }
}

/** What keeps this process alive, by kind; timers are left to {@link countingClock}, as `eventually` has its own. */
function openHandles(): Map<string, number> {
  const counts = new Map<string, number>()
  for (const kind of process.getActiveResourcesInfo()) {
    if (kind !== 'Timeout' && kind !== 'Immediate') counts.set(kind, (counts.get(kind) ?? 0) + 1)
  }
  return counts
}
