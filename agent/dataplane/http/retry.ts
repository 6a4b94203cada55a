import type { RetryPolicy } from '../../../mesh/routing/route.ts'
import { h2Error } from '../h2/frames.ts'
import { silentPeerCode } from '../hbone/silence.ts'
import type { Reason } from '../reasons.ts'

/** How an attempt failed, as far as retries care. */
export type AttemptFailure =
  /** No connection: nothing was sent. */
  | { readonly kind: 'connect' }
  /** A kept connection was closed before the request can have been read. */
  | { readonly kind: 'unread' }
  /** The upstream said that it has handled nothing of it (REFUSED_STREAM). */
  | { readonly kind: 'refused' }
  /** Broken off before the response's head. */
  | { readonly kind: 'reset' }
  /** The endpoint's agent was lost before it answered, and the request may be sent twice. */
  | { readonly kind: 'agent-lost' }
  /** The endpoint's agent could not hand it to the application, and answered with this status instead. */
  | { readonly kind: 'undelivered'; readonly status: number }
  | { readonly kind: 'per-try-timeout' }
  /** A response; `grpcStatus` is -1 where its head has none. */
  | { readonly kind: 'status'; readonly status: number; readonly grpcStatus: number }

/**
 * Whether the policy asks for another try after this failure; how many there were, and whether the body can be sent
 * again, is asked elsewhere. After Envoy's router filter (x-envoy-retry-on, x-envoy-retry-grpc-on); `5xx` and
 * `gateway-error` cover upstreams that did not answer at all.
 */
export function asksForRetry(policy: RetryPolicy, failure: AttemptFailure): boolean {
  const { on } = policy
  switch (failure.kind) {
    case 'connect':
      return on.has('connect-failure') || asksForUnread(on)
    case 'unread':
      return asksForUnread(on)
    case 'refused':
      return on.has('refused-stream') || on.has('5xx') || on.has('gateway-error') || on.has('reset')
    case 'agent-lost':
      return asksForRetry(policy, { kind: 'connect' })
    case 'undelivered':
      return on.has('connect-failure') || on.has('refused-stream') || asksForStatus(policy, failure.status)
    case 'reset':
      return on.has('5xx') || on.has('gateway-error') || on.has('reset')
    case 'per-try-timeout':
      return on.has('5xx') || on.has('gateway-error') || on.has('reset')
    case 'status':
      return asksForStatus(policy, failure.status) || asksForGrpc(policy, failure.grpcStatus)
  }
}

/**
 * What the reset of a stream without a response comes to. Of a request that an agent had when it was lost nobody knows
 * whether the application has seen it: where that does not matter it is as good as not sent.
 */
export function failureOfReset(code: number, isAgent: boolean, method: string): AttemptFailure {
  if (code === h2Error.refusedStream) return { kind: 'refused' }
  const isLost = isAgent && (code === h2Error.internal || code === silentPeerCode)
  return isLost && isIdempotent(method) ? { kind: 'agent-lost' } : { kind: 'reset' }
}

/** Whether a request of this method may be sent twice (RFC 9110 section 9.2.2). */
export function isIdempotent(method: string): boolean {
  return idempotent.has(method)
}

/** Whether a request was not sent for a reason that lies on the caller's own host. */
export function isOwnFault(reason: Reason): boolean {
  return reason === 'UNKNOWN_CALLER' || reason === 'NO_CERTIFICATE'
}

const idempotent: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

function asksForUnread(on: RetryPolicy['on']): boolean {
  return on.has('reset-before-request') || on.has('5xx') || on.has('gateway-error') || on.has('reset')
}

function asksForStatus({ on, statusCodes }: RetryPolicy, status: number): boolean {
  if (status < 400) return statusCodes.has(status) && on.has('retriable-status-codes')
  if (status >= 500 && on.has('5xx')) return true
  if (status >= 502 && status <= 504 && on.has('gateway-error')) return true
  if (status === 409 && on.has('retriable-4xx')) return true
  return on.has('retriable-status-codes') && statusCodes.has(status)
}

/** gRPC statuses count only where they stand in the response's head (a response of trailers only). */
function asksForGrpc({ on }: RetryPolicy, grpcStatus: number): boolean {
  switch (grpcStatus) {
    case 1:
      return on.has('cancelled')
    case 4:
      return on.has('deadline-exceeded')
    case 8:
      return on.has('resource-exhausted')
    case 13:
      return on.has('internal')
    case 14:
      return on.has('unavailable')
    default:
      return false
  }
}

/** The pause before the n-th retry (from 1): exponential from the base, at most ten times it, fully jittered. */
export function retryPauseMs({ backoffBaseMs }: RetryPolicy, retry: number, random: () => number): number {
  return random() * Math.min(backoffBaseMs * 2 ** (retry - 1), backoffBaseMs * 10)
}
