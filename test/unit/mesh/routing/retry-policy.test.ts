import t from 'tap'
import { retryPolicy } from '../../../../mesh/routing/retry-policy.ts'
import type { RetryPolicy } from '../../../../mesh/routing/route.ts'
import { parseDurationMs } from '../../../../mesh/std/duration.ts'
import { differences } from '../../../support/differences.ts'
import { type EffectiveCase, effectiveCases, type RecordedRetry } from '../../../support/istio-recordings.ts'

type RetryCase = Extract<EffectiveCase, { kind: 'retry' }>

function isRetryCase(entry: EffectiveCase): entry is RetryCase {
  return entry.kind === 'retry'
}

const context = { direction: 'outbound', defaults: undefined, consistentHash: false } as const

/** What both say, in one form; a retriable header list is never given, so that its condition is none. */
function ofOurs(policy: RetryPolicy | undefined): unknown {
  return policy === undefined
    ? null
    : { ...policy, on: [...policy.on].toSorted(), statusCodes: [...policy.statusCodes].toSorted() }
}

function ofIstio(policy: RecordedRetry | null): unknown {
  if (policy === null) return null
  const on = policy.retryOn.split(',').filter(part => part !== '' && part !== 'retriable-headers')
  return {
    attempts: policy.numRetries,
    perTryTimeoutMs: policy.perTryTimeout === undefined ? undefined : parseDurationMs(policy.perTryTimeout),
    on: [...new Set(on)].toSorted(),
    statusCodes: [...new Set(policy.retriableStatusCodes)].toSorted(),
    backoffBaseMs: parseDurationMs(policy.retryBackOff?.baseInterval ?? '25ms'),
    avoidPreviousHosts: policy.retryHostPredicate !== undefined,
    ...(policy.retryPriority === undefined ? {} : { avoidPreviousPriorities: true }),
  }
}

t.test('retries come to what is recorded of Istio', async t => {
  const cases = effectiveCases().filter(isRetryCase)
  const wrong = cases.filter(({ retries, effective }) => {
    const said = retries ?? undefined
    const ours = [
      retryPolicy(said, context),
      retryPolicy(said, { ...context, consistentHash: true }),
      retryPolicy(said, { ...context, direction: 'inbound' }),
    ]
    const theirs = [effective.outbound, effective.outboundConsistentHash, effective.inbound]
    return JSON.stringify(ours.map(ofOurs)) !== JSON.stringify(theirs.map(ofIstio))
  })
  t.comment(`effective, retry: ${cases.length - wrong.length} of ${cases.length} agree`)
  t.equal(cases.length, 57)
  t.same(wrong.map(({ id }) => id).toSorted(), differences('Effective settings', 'retry'))
})

t.test('a rule without retries takes the default of the mesh, for what it calls only', async t => {
  const defaults = { attempts: 5, retryOn: '5xx' }
  t.equal(retryPolicy(undefined, { ...context, defaults })?.attempts, 5)
  t.equal(retryPolicy({ attempts: 1 }, { ...context, defaults })?.attempts, 1)
  t.equal(retryPolicy(undefined, { ...context, defaults, direction: 'inbound' })?.attempts, 2)
  t.equal(retryPolicy(undefined, { ...context, defaults: { attempts: 0 } }), undefined)
})

t.test('statuses among the conditions are retried, and conditions nobody can meet are left out', async t => {
  const policy = retryPolicy({ attempts: 1, retryOn: 'reset, 503,retriable-headers,429' }, context)
  t.same([...(policy?.on ?? [])], ['reset', 'retriable-status-codes'])
  t.same([...(policy?.statusCodes ?? [])], [503, 429])
})
