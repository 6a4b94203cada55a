import { Worker } from 'node:worker_threads'
import t from 'tap'
import { Admission } from '../../../../../agent/dataplane/upstream/admission.ts'
import { CircuitBreaker } from '../../../../../agent/dataplane/upstream/circuit-breaker.ts'
import { SharedCounts } from '../../../../../agent/dataplane/upstream/shared-counts.ts'
import { systemClock } from '../../../../../mesh/std/clock.ts'
import { FakeClock } from '../../../../fakes/clock.ts'
import { until } from '../../../../support/eventually.ts'

const limited = (
  values: { maxConnections?: number; maxPendingRequests?: number; maxRequests?: number },
  counts?: SharedCounts,
) =>
  new CircuitBreaker(
    {
      maxConnections: undefined,
      maxPendingRequests: undefined,
      maxRequests: undefined,
      maxRetries: undefined,
      retryBudget: { percent: 20, minRetryConcurrency: 3 },
      rule: 'DestinationRule default/api',
      ...values,
    },
    counts && { counts, name: 'web outbound|80||api' },
  )

const entrant = (name: string, admitted: string[]) => ({ admitted: () => admitted.push(name) })

t.test(
  'one request at a time, one in line, and the third is refused, as one connection with one pending would do',
  async t => {
    const limits = limited({ maxConnections: 1, maxPendingRequests: 1 })
    const admission = new Admission(limits, new FakeClock())
    const admitted: string[] = []
    const [first, second, third] = ['first', 'second', 'third'].map(name => entrant(name, admitted))
    if (first === undefined || second === undefined || third === undefined) throw new Error('three')
    t.equal(admission.enter(first, true), 'passed')
    t.equal(admission.enter(second, true), 'waits')
    t.equal(admission.enter(third, true), 'pending')
    t.strictSame(admitted, [])
    admission.leave(first, true)
    t.strictSame(admitted, ['second'])
    admission.leave(second, true)
    t.match(limits.open, { connections: 0, pending: 0, requests: 0 })
  },
)

t.test('who gives up waiting makes room in the line, and nobody is let in for it', async t => {
  const limits = limited({ maxConnections: 1, maxPendingRequests: 1 })
  const admission = new Admission(limits, new FakeClock())
  const admitted: string[] = []
  const [first, second, third] = ['first', 'second', 'third'].map(name => entrant(name, admitted))
  if (first === undefined || second === undefined || third === undefined) throw new Error('three')
  admission.enter(first, true)
  admission.enter(second, true)
  admission.leave(second, true)
  t.strictSame(admitted, [])
  t.equal(admission.enter(third, true), 'waits')
  admission.leave(first, true)
  t.strictSame(admitted, ['third'])
})

t.test('without a limit of connections only requests are counted', async t => {
  const admission = new Admission(limited({ maxRequests: 2 }), new FakeClock())
  const admitted: string[] = []
  t.equal(admission.enter(entrant('a', admitted), false), 'passed')
  t.equal(admission.enter(entrant('b', admitted), false), 'passed')
  t.equal(admission.enter(entrant('c', admitted), false), 'requests')
})

t.test('what another thread holds is waited for, and its release is seen', async t => {
  const buffer = SharedCounts.buffer(2)
  const limits = limited({ maxConnections: 1, maxPendingRequests: 2 }, new SharedCounts(buffer, 0, 2))
  const program = new URL('../../../../support/limit-holder.ts', import.meta.url)
  const other = new Worker(program, { workerData: { buffer, thread: 1, threads: 2 } })
  t.teardown(() => other.terminate())
  const heard: unknown[] = []
  other.on('message', message => heard.push(message))
  other.postMessage('acquire')
  await until('the other thread has the only connection', () => heard.includes('acquire true'))
  const admission = new Admission(limits, systemClock)
  const admitted: string[] = []
  const [first, second] = [entrant('first', admitted), entrant('second', admitted)]
  t.equal(admission.enter(first, true), 'waits')
  t.equal(admission.enter(second, true), 'waits')
  other.postMessage('acquire')
  await until('it gets no second one', () => heard.includes('acquire false'))
  t.strictSame(admitted, [])
  other.postMessage('release')
  await until('the first is let in', () => admitted.length > 0)
  t.strictSame(admitted, ['first'])
  admission.leave(first, true)
  t.strictSame(admitted, ['first', 'second'])
  admission.leave(second, true)
  t.match(limits.open, { connections: 0, pending: 0, requests: 0 })
})

t.test('looks again only while somebody waits, and counts it as no refusal', async t => {
  const clock = new FakeClock()
  const buffer = SharedCounts.buffer(2)
  const [own, others] = [0, 1].map(thread => limited({ maxConnections: 1 }, new SharedCounts(buffer, thread, 2)))
  if (own === undefined || others === undefined) throw new Error('two')
  others.acquire('connections')
  const admission = new Admission(own, clock)
  const admitted: string[] = []
  const gone = entrant('gone', admitted)
  t.equal(admission.enter(gone, true), 'waits')
  const { connections } = own.refused
  for (let times = 0; times < 10; times += 1) await clock.advance(5)
  t.equal(own.refused.connections, connections)
  t.equal(clock.pending, 1)
  admission.leave(gone, true)
  t.equal(clock.pending, 0)
  others.release('connections')
  await clock.advance(50)
  t.strictSame(admitted, [])
})
