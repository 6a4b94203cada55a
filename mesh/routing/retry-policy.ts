import type { RetriesSpec } from '../model/traffic.ts'
import { limit, milliseconds } from './policy-values.ts'
import type { RetryCondition, RetryPolicy } from './route.ts'

/** What a retry policy depends on besides the rule. */
export interface RetryContext {
  /** `inbound` retries only the application beside the agent: there are no other hosts and no time-out of a single try. */
  readonly direction: 'outbound' | 'inbound'
  /** `defaultHttpRetryPolicy` of the mesh, for rules that say nothing. */
  readonly defaults: RetriesSpec | undefined
  /** The destination is chosen by a hash: a retry may go where the first try went. */
  readonly consistentHash: boolean
}

/**
 * The retries of a rule with every default filled in (Istio virtual_service.proto, HTTPRetry; defaults as
 * pilot/pkg/networking/core/route/retry sets them); undefined for none. A rule without `retries` takes the mesh's
 * default, and without that is tried again twice where nothing can have happened yet. Numbers in `retryOn` are statuses.
 * Conditions that no response here can meet (`retriable-headers`, `http3-post-connect-failure`) are left out.
 */
export function retryPolicy(retries: RetriesSpec | undefined, context: RetryContext): RetryPolicy | undefined {
  const said = retries ?? (context.direction === 'outbound' ? context.defaults : undefined)
  const attempts = said === undefined ? 2 : (said.attempts ?? 0)
  if (attempts <= 0) return undefined
  const isOutbound = context.direction === 'outbound'
  const written = said?.retryOn ?? ''
  const { on, statusCodes } = conditions(written === '' ? defaultRetryOn[context.direction] : written)
  return {
    attempts,
    perTryTimeoutMs: isOutbound ? limit(milliseconds(said?.perTryTimeout)) : undefined,
    on,
    statusCodes,
    backoffBaseMs: limit(milliseconds(said?.backoff)) ?? 25,
    avoidPreviousHosts: isOutbound && (said?.retryIgnorePreviousHosts ?? !context.consistentHash),
    ...(isOutbound && said?.retryRemoteLocalities === true ? { avoidPreviousPriorities: true } : {}),
  }
}

const defaultRetryOn = {
  outbound: 'connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes',
  inbound: 'reset-before-request',
} as const

const known: ReadonlySet<string> = new Set<RetryCondition>([
  '5xx',
  'gateway-error',
  'reset',
  'reset-before-request',
  'connect-failure',
  'refused-stream',
  'retriable-4xx',
  'retriable-status-codes',
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
])

function isCondition(text: string): text is RetryCondition {
  return known.has(text)
}

function conditions(retryOn: string): { on: ReadonlySet<RetryCondition>; statusCodes: ReadonlySet<number> } {
  const on = new Set<RetryCondition>()
  const statusCodes = new Set<number>()
  for (const part of retryOn.split(',').map(text => text.trim())) {
    if (/^\d{1,3}$/.test(part)) statusCodes.add(Number(part))
    else if (isCondition(part)) on.add(part)
  }
  if (statusCodes.size > 0) on.add('retriable-status-codes')
  return { on, statusCodes }
}
