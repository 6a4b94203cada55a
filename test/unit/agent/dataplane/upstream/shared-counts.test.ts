import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import { CircuitBreaker } from '../../../../../agent/dataplane/upstream/circuit-breaker.ts'
import { SharedCounts } from '../../../../../agent/dataplane/upstream/shared-counts.ts'
import { clusterSettings } from '../../../../support/cluster.ts'

function threads(count: number) {
  const buffer = SharedCounts.buffer(count)
  return Array.from({ length: count }, (_, thread) => new SharedCounts(buffer, thread, count))
}

t.test('a limit holds for all threads together', async t => {
  const settings = clusterSettings({ maxRequests: 3 })
  const breakers = threads(2).map(counts => new CircuitBreaker(settings, { counts, name: 'web shop' }))
  const [one, other] = breakers
  if (one === undefined || other === undefined) return t.fail()
  t.strictSame([one.acquire('requests'), other.acquire('requests'), one.acquire('requests')], [true, true, true])
  t.strictSame([one.acquire('requests'), other.acquire('requests')], [false, false])
  t.strictSame([one.open.requests, other.open.requests], [2, 1])
  one.release('requests')
  t.ok(other.acquire('requests'))
  t.notOk(one.acquire('requests'))
})

t.test('clusters and kinds of limits are counted apart', async t => {
  const settings = clusterSettings({ maxConnections: 1, maxPendingRequests: 1, maxRequests: 1, maxRetries: 1 })
  const [counts] = threads(1)
  if (counts === undefined) return t.fail()
  for (const name of ['a', 'b', 'c']) {
    const breaker = new CircuitBreaker(settings, { counts, name })
    for (const what of ['connections', 'pending', 'requests', 'retries'] as const) {
      t.strictSame([breaker.acquire(what), breaker.acquire(what)], [true, false], `${name} ${what}`)
    }
  }
})

t.test('what was under way before there was a limit counts as well', async t => {
  const views = threads(2)
  const [one, other] = views.map(counts => new CircuitBreaker(clusterSettings(), { counts, name: 'a' }))
  if (one === undefined || other === undefined) return t.fail()
  for (let count = 0; count < 3; count += 1) one.acquire('requests')
  for (const breaker of [one, other]) breaker.configure(clusterSettings({ maxRequests: 4 }))
  t.strictSame([other.acquire('requests'), other.acquire('requests')], [true, false])
  for (let count = 0; count < 3; count += 1) one.release('requests')
  t.ok(other.acquire('requests'))
})

t.test('the retry budget is a share of the requests of all threads', async t => {
  const settings = clusterSettings({ maxRequests: 1000 })
  const [one, other] = threads(2).map(counts => new CircuitBreaker(settings, { counts, name: 'a' }))
  if (one === undefined || other === undefined) return t.fail()
  for (let count = 0; count < 25; count += 1) one.acquire('requests')
  let retries = 0
  while (other.acquire('retries')) retries += 1
  t.equal(retries, 5)
})

t.test('when there is no room for another cluster each thread counts for itself', async t => {
  const [counts] = threads(1)
  if (counts === undefined) return t.fail()
  let full: string | undefined
  for (let cluster = 0; full === undefined; cluster += 1) {
    if (counts.slot(`cluster-${cluster}`) === undefined) full = `cluster-${cluster}`
  }
  const breaker = new CircuitBreaker(clusterSettings({ maxRequests: 1 }), { counts, name: full })
  t.strictSame([breaker.acquire('requests'), breaker.acquire('requests')], [true, false])
  breaker.release('requests')
  t.ok(breaker.acquire('requests'))
})

t.test('threads that count at the same time lose nothing', async t => {
  const buffer = SharedCounts.buffer(3)
  const module = new URL('../../../../../agent/dataplane/upstream/shared-counts.ts', import.meta.url).href
  const gate = new SharedArrayBuffer(4)
  const program = `
    const { workerData } = require('node:worker_threads')
    import(workerData.module).then(({ SharedCounts }) => {
      const counts = new SharedCounts(workerData.buffer, workerData.thread, 3)
      const gate = new Int32Array(workerData.gate)
      Atomics.add(gate, 0, 1)
      Atomics.notify(gate, 0)
      Atomics.wait(gate, 0, 1)
      for (let turn = 0; turn < 2000000; turn += 1) {
        counts.add(counts.slot('cluster-' + turn % 2), turn % 4, 1)
      }
    })`
  const workers = [0, 1].map(
    thread => new Worker(program, { eval: true, workerData: { buffer, thread, module, gate } }),
  )
  await Promise.all(workers.map(worker => once(worker, 'exit')))
  const counts = new SharedCounts(buffer, 2, 3)
  const totals = [0, 1].map(cluster => {
    const slot = counts.slot(`cluster-${cluster}`)
    return slot === undefined ? [] : [0, 1, 2, 3].map(index => counts.total(slot, index))
  })
  t.strictSame(totals, [
    [1_000_000, 0, 1_000_000, 0],
    [0, 1_000_000, 0, 1_000_000],
  ])
})
