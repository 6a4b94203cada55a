import type { HttpRouteSpec } from '../model/traffic.ts'

/** A request as routing sees it, after its path was normalised. */
export interface RouteRequest {
  readonly method: string
  readonly scheme: string
  /** `Host` or `:authority` as sent. */
  readonly authority: string
  /** Path and query. */
  readonly path: string
  /**
   * Flat pairs, name, value, name, value: pseudo-headers may stand at the front and are passed over; names compare
   * without case; values are Latin-1 text, one unit an octet.
   */
  readonly headers: readonly string[]
}

/** Where a request may be sent, one of a route's weighted destinations. */
export interface RouteDestination {
  /** Full host name of the service. */
  readonly host: string
  readonly port: number
  /** Empty without one. */
  readonly subset: string
  /** `outbound|<port>|<subset>|<host>`: Istio's name of the cluster, and the key of what the data plane keeps for it. */
  readonly cluster: string
  readonly weight: number
}

/** Retry conditions, resolved to what the data plane asks; `docs/reference` of Envoy: router filter, x-envoy-retry-on. */
export interface RetryPolicy {
  /** How often at most, beyond the first try. */
  readonly attempts: number
  readonly perTryTimeoutMs: number | undefined
  readonly on: ReadonlySet<RetryCondition>
  /** Statuses of `retriable-status-codes`. */
  readonly statusCodes: ReadonlySet<number>
  /** Base of the exponential, jittered pause; the longest pause is ten times as long. */
  readonly backoffBaseMs: number
  readonly avoidPreviousHosts: boolean
}

export type RetryCondition =
  | '5xx'
  | 'gateway-error'
  | 'reset'
  | 'reset-before-request'
  | 'connect-failure'
  | 'refused-stream'
  | 'retriable-4xx'
  | 'retriable-status-codes'
  | 'cancelled'
  | 'deadline-exceeded'
  | 'internal'
  | 'resource-exhausted'
  | 'unavailable'

export interface Fault {
  /** In [0, 1]. */
  readonly delayShare: number
  readonly delayMs: number
  readonly abortShare: number
  readonly abort:
    | { readonly kind: 'http'; readonly status: number }
    | { readonly kind: 'grpc'; readonly status: number }
    | undefined
}

export interface Mirror {
  readonly destination: RouteDestination
  /** In [0, 1]. */
  readonly share: number
}

/** What a route does with a request. */
export type RouteAction =
  | {
      readonly kind: 'forward'
      readonly destinations: readonly RouteDestination[]
      readonly timeoutMs: number | undefined
      readonly retry: RetryPolicy | undefined
      readonly mirrors: readonly Mirror[]
    }
  | { readonly kind: 'redirect' }
  | { readonly kind: 'direct'; readonly status: number; readonly body: string }

/**
 * One compiled rule. It holds nothing of a request and is shared by all of them; everything that could be prepared is.
 */
export interface Route {
  /** The rule's `name`, or what Istio calls it without: `default`. In logs and metrics. */
  readonly name: string
  /** Whence it comes, for refusals and `weft explain`: `VirtualService shop/cart http[1]`; `default` for none. */
  readonly rule: string
  readonly action: RouteAction
  readonly fault: Fault | undefined
  readonly spec: HttpRouteSpec | undefined
}

/** All routes of one virtual host, in order; the first that matches is taken. */
export interface VirtualHost {
  /** `<host>:<port>`, Istio's name; `allow_any` and `block_all` where nothing is known of the host. */
  readonly name: string
  readonly routes: readonly Route[]
}
