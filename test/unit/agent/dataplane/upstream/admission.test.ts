import t from 'tap'
import { Admission } from '../../../../../agent/dataplane/upstream/admission.ts'
import { CircuitBreaker } from '../../../../../agent/dataplane/upstream/circuit-breaker.ts'

const limited = (values: { maxConnections?: number; maxPendingRequests?: number; maxRequests?: number }) =>
  new CircuitBreaker({
    maxConnections: undefined,
    maxPendingRequests: undefined,
    maxRequests: undefined,
    maxRetries: undefined,
    retryBudget: { percent: 20, minRetryConcurrency: 3 },
    rule: 'DestinationRule default/api',
    ...values,
  })

const entrant = (name: string, admitted: string[]) => ({ admitted: () => admitted.push(name) })

t.test(
  'one request at a time, one in line, and the third is refused, as one connection with one pending would do',
  async t => {
    const limits = limited({ maxConnections: 1, maxPendingRequests: 1 })
    const admission = new Admission(limits)
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
  const admission = new Admission(limits)
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
  const admission = new Admission(limited({ maxRequests: 2 }))
  const admitted: string[] = []
  t.equal(admission.enter(entrant('a', admitted), false), 'passed')
  t.equal(admission.enter(entrant('b', admitted), false), 'passed')
  t.equal(admission.enter(entrant('c', admitted), false), 'requests')
})
