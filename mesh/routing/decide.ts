import type { Random } from '../std/clock.ts'
import { grpcTimeoutMs, isGrpcRequest } from './grpc.ts'
import { fieldOf } from './header-fields.ts'
import type { Fault, Route, RouteAction, RouteDestination } from './route.ts'

/** What is drawn by lot, and how long a request may take. */

type Forward = Extract<RouteAction, { kind: 'forward' }>

/** One of the destinations, each as often as its weight says; without a choice nothing is drawn. */
export function chooseDestination(action: Forward, random: Random): RouteDestination {
  const { destinations, totalWeight } = action
  let chosen = destinations[0]
  if (totalWeight > 0) {
    let left = random() * totalWeight
    for (const destination of destinations) {
      if (destination.weight === 0) continue
      chosen = destination
      left -= destination.weight
      if (left < 0) break
    }
  }
  if (chosen === undefined) throw new TypeError('a route that forwards has a destination')
  return chosen
}

const noDestinations: readonly RouteDestination[] = []

/** Whom a copy of the request goes to; mostly nobody. */
export function mirrorsOf(route: Route, random: Random): readonly RouteDestination[] {
  const { action } = route
  if (action.kind !== 'forward' || action.mirrors.length === 0) return noDestinations
  return action.mirrors.filter(mirror => happens(mirror.share, random)).map(mirror => mirror.destination)
}

/** What befalls this request: wait first, then answer in the upstream's place where `abort` says so. */
export interface BefallenFault {
  readonly delayMs: number
  readonly abort: Fault['abort']
}

/** Draws delay and abort, each for itself; undefined when the request goes on as it is. */
export function faultOf(route: Route, random: Random): BefallenFault | undefined {
  const { fault } = route
  if (fault === undefined) return undefined
  const delayMs = happens(fault.delayShare, random) ? fault.delayMs : 0
  const abort = happens(fault.abortShare, random) ? fault.abort : undefined
  return delayMs === 0 && abort === undefined ? undefined : { delayMs, abort }
}

function happens(share: number, random: Random): boolean {
  return share >= 1 || (share > 0 && random() < share)
}

/**
 * How long the request may take in all, retries included, in milliseconds; undefined for no limit. A gRPC client's own
 * `grpc-timeout` counts where it is shorter than the route's (Envoy: `max_grpc_timeout` is the route's timeout).
 */
export function timeoutOf(
  route: Route,
  headers: readonly string[],
  isGrpc = isGrpcRequest(headers),
): number | undefined {
  const own = route.action.kind === 'forward' ? route.action.timeoutMs : undefined
  if (!isGrpc) return own
  const asked = grpcTimeoutMs(fieldOf(headers, 'grpc-timeout'))
  if (asked === undefined || asked === 0) return own
  return own === undefined ? asked : Math.min(own, asked)
}
