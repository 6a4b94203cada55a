import type { Test } from 'tap'
import type { RegistrySnapshot } from '../../mesh/model/catalogue.ts'
import { eventually } from '../support/eventually.ts'
import type {
  RegisteredInstance,
  RegistryAdapterSuite,
  RegistryDriver,
  RegistryFault,
  RegistryFaults,
} from './registry-driver.ts'
import {
  expectHealth,
  expectNoHandles,
  expectNoTimers,
  openHandles,
  placed,
  type Watching,
  watch,
} from './registry-watching.ts'

const api1: RegisteredInstance = { id: 'api-1', service: 'api', address: '10.77.0.1', port: 8080 }
const web1: RegisteredInstance = { id: 'web-1', service: 'web', address: '10.77.0.3', port: 9090 }
const huge: RegisteredInstance = { id: 'huge-1', service: 'huge', address: '10.77.0.4', port: 7070 }

/** Faults in which the registry says less than it knows, with what that is. */
const untruths = {
  emptyAnswer: 'an empty answer by mistake',
  halfAnswer: 'half an answer',
  garbage: 'nonsense for an answer',
  stall: 'no answer at all',
} as const satisfies Partial<Record<RegistryFault, string>>

const everyFault: readonly RegistryFault[] = [
  'emptyAnswer',
  'halfAnswer',
  'garbage',
  'stall',
  'staleRead',
  'putHuge',
  'putTwice',
]

const burst = 1000

/** How an adapter behaves while its registry goes wrong: a part of {@link testRegistryAdapter}. */
export async function testRegistryFaults(t: Test, suite: RegistryAdapterSuite): Promise<void> {
  const hooks = await hooksOf(suite)
  const start = async (test: Test): Promise<RegistryDriver> => {
    const driver = await suite.setup()
    test.teardown(() => driver.stop())
    return driver
  }

  await t.test('every fault can be made, or there is a reason why not', async t => {
    for (const fault of everyFault) {
      const reason = suite.cannot?.[fault]
      if (reason !== undefined) t.ok(reason !== '' && !hooks.has(fault), `${fault}: a reason, and no hook`)
      else if (suite.strict === true) t.ok(hooks.has(fault), `${fault} has neither a hook nor a reason`)
      else if (!hooks.has(fault)) t.comment(`${fault} is not tested`)
    }
  })

  for (const [fault, what] of Object.entries(untruths) as [keyof typeof untruths, string][]) {
    if (!hooks.has(fault)) continue
    await t.test(`${what} is told, takes nothing away, and is over when the registry is well again`, async t => {
      const driver = await start(t)
      await driver.put(api1)
      const watching = await settled(t, driver)
      const before = watching.views.length
      await inject(driver, fault)
      await eventually(() => expectTold(watching), 30_000)
      await driver.heal()
      await eventually(() => expectWell(watching), 30_000)
      await driver.put(web1)
      await watching.until(view => placed(view, 'web').length === 1)
      expectKept(t, watching.views.slice(before - 1))
    })
  }

  for (const fault of everyFault.filter(one => hooks.has(one))) {
    await t.test(`abort in the middle of ${fault} leaves nothing open`, async t => {
      const driver = await start(t)
      await driver.put(api1)
      const handles = openHandles()
      const watching = await settled(t, driver)
      await inject(driver, fault)
      const said = watching.health.length
      watching.abort()
      await watching.ended
      t.equal(watching.health.length, said, 'being aborted is not a failure')
      await eventually(() => {
        expectNoTimers(watching)
        expectNoHandles(handles)
      })
    })
  }

  if (hooks.has('staleRead')) {
    await t.test('an older state after a newer one takes nothing back', async t => {
      const driver = await start(t)
      await driver.put(api1)
      const watching = await settled(t, driver)
      await driver.put(web1)
      await watching.until(view => placed(view, 'web').length === 1)
      const before = watching.views.length
      await inject(driver, 'staleRead')
      await driver.heal()
      await driver.put({ ...web1, address: '10.77.0.8' })
      await watching.until(view => placed(view, 'web').includes('10.77.0.8:9090'))
      for (const view of watching.views.slice(before)) t.equal(placed(view, 'web').length, 1)
      expectKept(t, watching.views)
    })
  }

  if (hooks.has('putHuge')) {
    await t.test('a huge item is used or left out by name, and holds up nobody else', async t => {
      const driver = await start(t)
      await driver.put(api1)
      const watching = await settled(t, driver)
      await driver.faults?.putHuge?.(huge)
      const names = (view: RegistrySnapshot) => view.problems.some(problem => problem.item.includes(huge.id))
      await watching.until(view => placed(view, 'huge').length === 1 || names(view))
      await driver.put(web1)
      await watching.until(view => placed(view, 'web').length === 1)
      expectKept(t, watching.views)
    })
  }

  if (hooks.has('putTwice')) {
    await t.test('an id that is listed twice counts once', async t => {
      const driver = await start(t)
      await driver.put(web1)
      await driver.put(api1)
      const watching = await settled(t, driver)
      await driver.faults?.putTwice?.(web1, '10.77.0.9')
      await driver.put({ ...api1, address: '10.77.0.7' })
      const view = await watching.until(view => placed(view, 'api').includes('10.77.0.7:8080'))
      const found = placed(view, 'web')
      t.equal(found.length, 1, found.join())
      t.match(found[0], /^10\.77\.0\.[39]:9090$/)
      const ids = [...view.workloads.values()].filter(workload => workload.id.endsWith(web1.id))
      t.equal(ids.length, 1)
    })
  }

  await t.test('an instance that comes and goes ends as it was left', async t => {
    const driver = await start(t)
    await driver.put(api1)
    const watching = await settled(t, driver)
    for (let times = 0; times < 20; times += 1) {
      await driver.put(web1)
      await driver.remove(web1.id)
    }
    await driver.put(web1)
    await watching.until(() => placedNow(watching, 'web').length === 1)
    await driver.remove(web1.id)
    await watching.until(() => placedNow(watching, 'web').length === 0)
    expectKept(t, watching.views)
  })

  await t.test(`${burst} changes at once are all seen, in few views`, async t => {
    const driver = await start(t)
    await driver.put(api1)
    const watching = await settled(t, driver)
    const before = watching.views.length
    const began = performance.now()
    const instances = Array.from({ length: burst }, (_, at) => instanceOf(at))
    for (let at = 0; at < burst; at += 50) {
      await Promise.all(instances.slice(at, at + 50).map(instance => driver.put(instance)))
    }
    const all = () =>
      instances.filter((_, at) => at % 50 === 0).every(({ service }) => placedNow(watching, service).length === 50)
    await eventually(() => {
      if (!all()) throw new Error('not all are seen')
    }, 60_000)
    const views = watching.views.length - before
    t.ok(views <= burst, `${views} views`)
    if (suite.viewEveryMs !== undefined) {
      const most = 10 + (performance.now() - began) / suite.viewEveryMs
      t.ok(views <= most, `${views} views, at most ${Math.floor(most)}`)
    }
    expectKept(t, watching.views)
  })
}

/** Fifty instances of each of twenty services. */
function instanceOf(at: number): RegisteredInstance {
  const service = Math.floor(at / 50)
  return { id: `many-${at}`, service: `many${service}`, address: `10.78.${service}.${at % 50}`, port: 8000 + service }
}

async function hooksOf(suite: RegistryAdapterSuite): Promise<ReadonlySet<RegistryFault>> {
  const driver = await suite.setup()
  try {
    return new Set(everyFault.filter(fault => driver.faults?.[fault] !== undefined))
  } finally {
    await driver.stop()
  }
}

async function inject(driver: RegistryDriver, fault: RegistryFault): Promise<void> {
  const faults: RegistryFaults = driver.faults ?? {}
  if (fault === 'putHuge') await faults.putHuge?.(huge)
  else if (fault === 'putTwice') await faults.putTwice?.(api1, '10.77.0.9')
  else await faults[fault]?.()
}

/** Watches a registry that holds api-1 and waits until all is well. */
async function settled(t: Test, driver: RegistryDriver): Promise<Watching> {
  const watching = watch(t, driver)
  await watching.until(view => placed(view, 'api').length === 1)
  await eventually(() => expectHealth(watching, 'fresh'))
  return watching
}

function placedNow(watching: Watching, service: string): string[] {
  const last = watching.views.at(-1)
  return last === undefined ? [] : placed(last, service)
}

/** Something is said: the registry is failing, or an item has a problem. */
function expectTold(watching: Watching): void {
  if ((watching.views.at(-1)?.problems.length ?? 0) === 0) expectHealth(watching, 'failing')
}

function expectWell(watching: Watching): void {
  expectHealth(watching, 'fresh')
  const problems = watching.views.at(-1)?.problems ?? []
  if (problems.length > 0) throw new Error(`problems are left: ${JSON.stringify(problems)}`)
}

function expectKept(t: Test, views: readonly RegistrySnapshot[]): void {
  const without = views.filter(view => placed(view, 'api').length === 0)
  t.equal(without.length, 0, 'what the registry holds was in every view')
}
