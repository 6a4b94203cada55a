import type { HttpRouteSpec } from '../model/traffic.ts'
import type { CorsPolicy } from './cors.ts'
import type { HeaderOperations } from './header-operations.ts'
import type { Condition } from './matching.ts'
import type { Redirect } from './redirect.ts'
import type { PathRewrite } from './rewrite.ts'

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
  /** What this destination alone does with messages, where it is one of several; absent for nothing. */
  readonly shape?: DestinationShape
}

/** Header operations of one of several destinations. They come before the route's. */
export interface DestinationShape {
  readonly request: HeaderOperations | undefined
  readonly response: HeaderOperations | undefined
  /** The authority that the request gets; empty leaves it. */
  readonly authority: string
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
  /** Retries leave the localities tried before, where others are left (`retryRemoteLocalities`). */
  readonly avoidPreviousPriorities?: boolean
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
      /** At least one. */
      readonly destinations: readonly RouteDestination[]
      /** Sum of the weights; 0 where there is nothing to choose: the first destination takes all. */
      readonly totalWeight: number
      readonly timeoutMs: number | undefined
      readonly retry: RetryPolicy | undefined
      readonly mirrors: readonly Mirror[]
    }
  | { readonly kind: 'redirect'; readonly redirect: Redirect }
  | { readonly kind: 'direct'; readonly status: number; readonly body: Buffer }

/** What a route does to a request before it is sent, beyond what is done to every request. */
export interface RequestShape {
  readonly operations: HeaderOperations | undefined
  /** The authority that the request gets; empty leaves it. */
  readonly authority: string
  readonly rewrite: PathRewrite | undefined
}

/**
 * One compiled rule, or one `match` of it: a rule with several matches comes to as many routes, since what a rewrite
 * replaces depends on the match. It holds nothing of a request and is shared by all of them; everything that could be
 * prepared is.
 */
export interface Route {
  /** The rule's `name`, or what Istio calls it without: `default`. In logs and metrics. */
  readonly name: string
  /** Whence it comes, for refusals and `weft explain`: `VirtualService shop/cart http[1]`; `default` for none. */
  readonly rule: string
  /** All of them must hold; none for every request. */
  readonly match: readonly Condition[]
  readonly action: RouteAction
  readonly fault: Fault | undefined
  readonly request: RequestShape | undefined
  readonly response: HeaderOperations | undefined
  readonly cors: CorsPolicy | undefined
  readonly spec: HttpRouteSpec | undefined
}

/** All routes of one virtual host, in order; the first that matches is taken. */
export interface VirtualHost {
  /** `<host>:<port>`, Istio's name; `allow_any` and `block_all` where nothing is known of the host. */
  readonly name: string
  readonly routes: readonly Route[]
}
