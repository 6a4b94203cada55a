import t from 'tap'
import { Retries } from '../../../../../agent/dataplane/http/retries.ts'
import { type AttemptFailure, asksForRetry, retryPauseMs } from '../../../../../agent/dataplane/http/retry.ts'
import { buildTable } from '../../../../../agent/dataplane/table.ts'
import { CircuitBreaker } from '../../../../../agent/dataplane/upstream/circuit-breaker.ts'
import { EndpointState } from '../../../../../agent/dataplane/upstream/endpoint.ts'
import type { RetryCondition, RetryPolicy } from '../../../../../mesh/routing/route.ts'
import { aConfig, aService } from '../../../../support/agent-config.ts'

const policy = (values: Partial<RetryPolicy> = {}): RetryPolicy => ({
  attempts: 2,
  perTryTimeoutMs: undefined,
  on: new Set<RetryCondition>(['connect-failure', 'refused-stream', 'unavailable', 'cancelled']),
  statusCodes: new Set(),
  backoffBaseMs: 25,
  avoidPreviousHosts: true,
  ...values,
})

const status = (code: number, grpcStatus = -1): AttemptFailure => ({ kind: 'status', status: code, grpcStatus })
const on = (...conditions: RetryCondition[]) => policy({ on: new Set(conditions) })

t.test('what is tried again follows the conditions', async t => {
  const cases: readonly (readonly [string, RetryPolicy, AttemptFailure, boolean])[] = [
    ['the default covers connecting', policy(), { kind: 'connect' }, true],
    ['the default covers streams that were not handled', policy(), { kind: 'refused' }, true],
    ['the default leaves a lost answer', policy(), { kind: 'reset' }, false],
    ['the default leaves 503', policy(), status(503), false],
    ['the default covers gRPC unavailable in the head', policy(), status(200, 14), true],
    ['5xx covers any 5xx', on('5xx'), status(599), true],
    ['5xx leaves 499', on('5xx'), status(499), false],
    ['5xx covers a lost answer', on('5xx'), { kind: 'reset' }, true],
    ['5xx covers a try that took too long', on('5xx'), { kind: 'per-try-timeout' }, true],
    ['gateway errors are 502 to 504', on('gateway-error'), status(500), false],
    ['gateway errors are 502 to 504', on('gateway-error'), status(502), true],
    ['retriable-4xx is 409', on('retriable-4xx'), status(409), true],
    ['retriable-4xx is 409 only', on('retriable-4xx'), status(404), false],
    [
      'a listed status',
      policy({ on: new Set(['retriable-status-codes']), statusCodes: new Set([404]) }),
      status(404),
      true,
    ],
    [
      'a listed status below 400',
      policy({ on: new Set(['retriable-status-codes']), statusCodes: new Set([204]) }),
      status(204),
      true,
    ],
    ['a listed status needs the condition', policy({ statusCodes: new Set([404]) }), status(404), false],
    ['a success', on('5xx', 'reset'), status(200, 0), false],
    ['a connection that was closed unread', on('reset-before-request'), { kind: 'unread' }, true],
    ['no connection is one without the request', on('reset-before-request'), { kind: 'connect' }, true],
    ['a lost answer is none', on('reset-before-request'), { kind: 'reset' }, false],
    ['the default leaves it', policy(), { kind: 'unread' }, false],
    ['resource-exhausted', on('resource-exhausted'), status(200, 8), true],
  ]
  for (const [name, given, failure, expected] of cases) t.equal(asksForRetry(given, failure), expected, name)
})

t.test('pauses grow from the base to ten times of it, fully jittered', async t => {
  t.strictSame(
    [1, 2, 3, 4, 5, 6].map(retry => retryPauseMs(policy(), retry, () => 1)),
    [25, 50, 100, 200, 250, 250],
  )
  t.equal(
    retryPauseMs(policy(), 3, () => 0),
    0,
  )
})

t.test('there are as many tries as the policy has, then it says that there were enough', async t => {
  const limits = new CircuitBreaker({
    maxConnections: undefined,
    maxPendingRequests: undefined,
    maxRequests: undefined,
    maxRetries: undefined,
    retryBudget: { percent: 20, minRetryConcurrency: 1 },
    rule: '',
  })
  const retries = new Retries(on('5xx'), limits)
  const half = () => 0.5
  t.equal(retries.next(status(503), undefined, half), 12.5)
  t.equal(limits.open.retries, 1)
  t.equal(retries.next(status(503), undefined, half), 25)
  t.equal(limits.open.retries, 1, 'one request holds one retry of the budget')
  t.notOk(retries.exhausted)
  t.equal(retries.next(status(503), undefined, half), undefined)
  t.ok(retries.exhausted)
  retries.release()
  retries.release()
  t.equal(limits.open.retries, 0)
  const other = new Retries(on('5xx'), limits)
  t.ok(limits.acquire('retries'))
  t.equal(other.next(status(503), undefined, half), undefined, 'the budget is used up')
  t.notOk(other.exhausted)
})

t.test('what no endpoint has had is tried elsewhere without the budget, unless retries have a number', async t => {
  const limits = (maxRetries: number | undefined) =>
    new CircuitBreaker({
      maxConnections: undefined,
      maxPendingRequests: undefined,
      maxRequests: undefined,
      maxRetries,
      retryBudget: { percent: 20, minRetryConcurrency: 1 },
      rule: '',
    })
  const first = (from: CircuitBreaker) => new Retries(policy(), from).next({ kind: 'connect' }, undefined, () => 0.5)
  const budget = limits(undefined)
  t.strictSame([first(budget), first(budget), first(budget)], [12.5, 12.5, 12.5], 'all that was on its way to a host')
  t.equal(budget.open.retries, 0)
  const fixed = limits(1)
  t.strictSame([first(fixed), first(fixed)], [12.5, undefined])
})

t.test('endpoints that were tried are kept for the hosts, or the priorities, that the policy leaves', async t => {
  const limits = new CircuitBreaker({
    maxConnections: undefined,
    maxPendingRequests: undefined,
    maxRequests: undefined,
    maxRetries: 3,
    retryBudget: { percent: 20, minRetryConcurrency: 1 },
    rule: '',
  })
  const target = buildTable(aConfig({ services: [aService()] })).table.at('10.77.0.2', 8080)?.pinned
  if (target === undefined) throw new Error('no endpoint')
  const { labels, locality, health } = target.endpoint
  const endpoint = { key: target.authority, weight: 1, health, labels, locality, state: new EndpointState(), target }
  const rows = [
    [{ avoidPreviousHosts: true }, 1, undefined],
    [{ avoidPreviousHosts: false, avoidPreviousPriorities: true }, undefined, 1],
    [{ avoidPreviousHosts: true, avoidPreviousPriorities: true }, 1, 1],
    [{ avoidPreviousHosts: false }, undefined, undefined],
  ] as const
  for (const [values, tried, leaving] of rows) {
    const retries = new Retries(policy(values), limits)
    t.ok(retries.next({ kind: 'connect' }, endpoint, () => 0.5))
    t.equal(retries.tried?.size, tried)
    t.equal(retries.leaving?.size, leaving)
    retries.release()
  }
})
