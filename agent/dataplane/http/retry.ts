import type { RetryPolicy } from '../../../mesh/routing/route.ts'

/** How an attempt failed, as far as retries care. */
export type AttemptFailure =
  /** No connection: nothing was sent. */
  | { readonly kind: 'connect' }
  /** The upstream said that it has handled nothing of it (REFUSED_STREAM). */
  | { readonly kind: 'refused' }
  /** Broken off before the response's head. */
  | { readonly kind: 'reset' }
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
      return on.has('connect-failure') || on.has('5xx') || on.has('gateway-error') || on.has('reset')
    case 'refused':
      return on.has('refused-stream') || on.has('5xx') || on.has('gateway-error') || on.has('reset')
    case 'reset':
      return on.has('5xx') || on.has('gateway-error') || on.has('reset')
    case 'per-try-timeout':
      return on.has('5xx') || on.has('gateway-error') || on.has('reset')
    case 'status':
      return asksForStatus(policy, failure.status) || asksForGrpc(policy, failure.grpcStatus)
  }
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
