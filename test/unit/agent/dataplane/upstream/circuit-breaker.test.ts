import t from 'tap'
import { CircuitBreaker, type Limited } from '../../../../../agent/dataplane/upstream/circuit-breaker.ts'
import { clusterSettings, seededRandom } from '../../../../support/cluster.ts'

const kinds: readonly Limited[] = ['connections', 'pending', 'requests', 'retries']

t.test('takes as many as the limit says, and more once some are released', async t => {
  const settings = clusterSettings({
    rule: 'DestinationRule shop/cart',
    maxConnections: 2,
    maxPendingRequests: 2,
    maxRequests: 2,
    maxRetries: 2,
  })
  const limits = new CircuitBreaker(settings)
  for (const kind of kinds) {
    t.strictSame([limits.acquire(kind), limits.acquire(kind), limits.acquire(kind)], [true, true, false], kind)
    t.equal(limits.refused[kind], 1)
    limits.release(kind)
    t.equal(limits.acquire(kind), true)
    t.equal(limits.open[kind], 2)
  }
  t.strictSame(
    kinds.map(kind => limits.describe(kind)),
    [
      'maxConnections 2 of DestinationRule shop/cart',
      'maxPendingRequests 2 of DestinationRule shop/cart',
      'maxRequests 2 of DestinationRule shop/cart',
      'maxRetries 2 of DestinationRule shop/cart',
    ],
  )
})

t.test('without limits only retries are refused, beyond their budget', async t => {
  const limits = new CircuitBreaker(clusterSettings())
  for (const kind of ['connections', 'pending', 'requests'] as const) {
    for (let count = 0; count < 10; count += 1) t.ok(limits.acquire(kind))
  }
  const take = () => {
    let taken = 0
    while (limits.acquire('retries')) taken += 1
    return taken
  }
  t.equal(take(), 4, '20 % of 10 requests and 10 that wait')
  t.equal(limits.describe('retries'), 'retryBudget 4')
  for (let count = 0; count < 4; count += 1) limits.release('retries')
  for (let count = 0; count < 10; count += 1) limits.release('requests')
  t.equal(take(), 3, 'and always three')
})

t.test('new settings count what is under way already', async t => {
  const limits = new CircuitBreaker(clusterSettings())
  for (let count = 0; count < 5; count += 1) limits.acquire('requests')
  limits.configure(clusterSettings({ maxRequests: 3 }))
  t.notOk(limits.acquire('requests'))
  for (let count = 0; count < 3; count += 1) limits.release('requests')
  t.ok(limits.acquire('requests'))
  t.notOk(limits.acquire('requests'))
})

t.test('whatever is acquired and released, counts stay between nothing and the limit', async t => {
  const random = seededRandom(3)
  const limits = new CircuitBreaker(
    clusterSettings({ maxConnections: 5, maxPendingRequests: 1, maxRequests: 8, maxRetries: 0 }),
  )
  const maxima = { connections: 5, pending: 1, requests: 8, retries: 0 }
  for (let step = 0; step < 10_000; step += 1) {
    const kind = kinds[Math.floor(random() * 4)] ?? 'requests'
    if (random() < 0.5) limits.acquire(kind)
    else limits.release(kind)
    const open = limits.open[kind]
    if (open < 0 || open > maxima[kind]) t.fail(`${open} ${kind}`)
  }
  t.pass()
})
