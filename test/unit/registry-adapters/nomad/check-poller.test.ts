import t, { type Test } from 'tap'
import { createCheckPoller } from '../../../../registry-adapters/nomad/check-poller.ts'
import type { CheckResult } from '../../../../registry-adapters/nomad/check-results.ts'
import { checkAdapterOptions } from '../../../../registry-adapters/nomad/options.ts'
import type { Reads } from '../../../../registry-adapters/nomad/reads.ts'
import { FakeClock } from '../../../fakes/clock.ts'
import { recordedWorld } from '../../../support/nomad-recording.ts'
import { recordedLog } from '../../../support/recorded-log.ts'

const failure: readonly CheckResult[] = [{ service: 'web', check: 'web-http', status: 'failure', output: 'x' }]

t.test('each allocation with checks is read once a period, the others never', async t => {
  const { asked, clock, checked } = await start(t, async () => failure)
  await clock.advance(10_000)
  t.same([...new Set(asked)].sort(), checked)
  for (const id of checked) {
    const times = asked.filter(one => one === id).length
    t.ok(times >= 2 && times <= 4, `${times} times in two periods and the first`)
  }
})

t.test('a poll that fails leaves the last result for three periods, and then none is believed', async t => {
  let fail = false
  const { cluster, clock, checked } = await start(t, async () => {
    if (fail) throw new Error('no path to node')
    return failure
  })
  await clock.advance(100)
  for (const id of checked) t.same(cluster.checksOf(id), failure)
  fail = true
  await clock.advance(13_000)
  for (const id of checked) t.same(cluster.checksOf(id), failure)
  await clock.advance(8_000)
  for (const id of checked) t.equal(cluster.checksOf(id), undefined)
  fail = false
  await clock.advance(10_000)
  for (const id of checked) t.same(cluster.checksOf(id), failure)
})

t.test('the results of a disconnected client stay, as they are the last known', async t => {
  const { cluster, clock, checked } = await start(t, async () => failure)
  await clock.advance(100)
  for (const id of checked) {
    const known = cluster.allocations.get(id)
    if (known === undefined) throw new Error('no such allocation')
    const allocation = { ...known.allocation, clientStatus: 'unknown' }
    cluster.merge({ services: new Map(), allocations: new Map([[id, { ...known, allocation }]]), nodes: new Map() })
  }
  await clock.advance(60_000)
  for (const id of checked) t.same(cluster.checksOf(id), failure)
})

t.test('a client that does not answer is given up after a period and holds up nobody', async t => {
  const { asked, clock, checked } = await start(t, (id, signal) => {
    if (id !== checked[0]) return Promise.resolve(failure)
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))))
  })
  await clock.advance(20_000)
  const times = (id = '') => asked.filter(one => one === id).length
  t.ok(times(checked[0]) >= 2, 'it is tried again')
  t.ok(times(checked[1]) >= 4, 'others are read meanwhile')
})

t.test('no more are read at once than allowed, also when all are due', async t => {
  let open = 0
  let most = 0
  const ends: (() => void)[] = []
  const { clock } = await start(
    t,
    () => {
      open += 1
      most = Math.max(most, open)
      return new Promise(resolve => {
        ends.push(() => {
          open -= 1
          resolve(failure)
        })
      })
    },
    { maxOpenQueries: 8 },
  )
  for (let round = 0; round < 20; round += 1) {
    await clock.advance(100)
    ends.shift()?.()
  }
  t.equal(most, checkAdapterOptions({ client: { address: 'http://x' }, maxOpenQueries: 8 }).checkQueries)
})

t.test('results that are new are told, the same again are not', async t => {
  const { told, clock } = await start(t, async () => failure)
  await clock.advance(100)
  const first = told.changed
  t.ok(first > 0)
  await clock.advance(20_000)
  t.equal(told.changed, first)
})

async function start(
  t: Test,
  checks: (id: string, signal: AbortSignal) => Promise<readonly CheckResult[]>,
  options: { maxOpenQueries?: number } = {},
) {
  const { cluster } = await recordedWorld()
  for (const id of cluster.allocations.keys()) cluster.setChecks(id, undefined)
  cluster.takeDirty()
  const clock = new FakeClock()
  const asked: string[] = []
  const told = { changed: 0 }
  const unused = async (): Promise<never> => {
    throw new Error('not used')
  }
  const reads: Reads = {
    serviceNames: unused,
    service: unused,
    allocations: unused,
    allocation: unused,
    nodes: unused,
    node: unused,
    tableIndex: unused,
    checks(id, signal) {
      asked.push(id)
      return checks(id, signal)
    },
  }
  const poller = createCheckPoller({
    cluster,
    reads,
    settings: checkAdapterOptions({ client: { address: 'http://127.0.0.1' }, checkPeriodSeconds: 5, ...options }),
    clock,
    random: () => 0.5,
    log: recordedLog(),
    publish() {
      if (cluster.takeDirty().size > 0) told.changed += 1
    },
  })
  const controller = new AbortController()
  const ended = poller.run(controller.signal)
  t.teardown(() => {
    controller.abort()
  })
  t.notOk(poller.triedAll(), 'nothing has been tried yet')
  const checked = [...cluster.allocations]
    .filter(([, { group }]) => group.services.values().some(one => one.checks.length > 0))
    .map(([id]) => id)
    .sort()
  return { cluster, clock, asked, told, checked, poller, ended }
}
