import { applyCors, type CorsDecision, corsOf } from '../../../mesh/routing/cors.ts'
import { chooseDestination, faultOf } from '../../../mesh/routing/decide.ts'
import { cleanRequest } from '../../../mesh/routing/envoy-headers.ts'
import { findRoute } from '../../../mesh/routing/matching.ts'
import { normalizePath } from '../../../mesh/routing/path.ts'
import { redirectOf } from '../../../mesh/routing/redirect.ts'
import type { Route, RouteAction, RouteDestination, RouteRequest, VirtualHost } from '../../../mesh/routing/route.ts'
import { shapeResponse } from '../../../mesh/routing/shape.ts'
import type { Random } from '../../../mesh/std/clock.ts'
import type { OriginalDst } from '../../intercept/original-dst.ts'
import type { Destination, Table, Target } from '../table.ts'
import type { Caller } from '../table-callers.ts'
import type { RequestRecord } from '../telemetry/request-record.ts'
import { directReply, type LocalReply, localReply, redirectReply } from './local-replies.ts'
import { pseudo, stripOwnHeaders } from './request-facts.ts'

/** Where a captured connection of a local process was going, and who made it. */
export interface OutboundCall {
  readonly caller: Caller
  /** The port that the caller connected to. */
  readonly port: number
  /** The mesh service that the address belongs to; undefined for addresses the mesh does not know. */
  readonly destination: Destination | undefined
  /** The caller connected to a listener of its Sidecar, and not to where it wants to go. */
  readonly isBound?: boolean
}

/** A connection of a local process that carries requests. */
export interface OutboundConnection extends OutboundCall {
  readonly sourceAddress: string
  readonly sourcePort: number
  /** `ip:port` of the caller, and where it was going. */
  readonly remoteAddress: string
  readonly originalAddress: string
  readonly original: OriginalDst
}

export type Forward = Extract<RouteAction, { kind: 'forward' }>

/** What becomes of a request. */
export type Decision =
  /** Answered here. */
  | { readonly kind: 'reply'; readonly reply: LocalReply; readonly delayMs: number }
  /** Sent to one of the destination's endpoints; to `pinned` if the caller has named it. */
  | {
      readonly kind: 'forward'
      readonly route: Route
      readonly action: Forward
      readonly destination: RouteDestination
      readonly pinned: Target | undefined
      readonly cors: CorsDecision | undefined
      readonly delayMs: number
    }
  /** Sent on to where the caller wanted to go: nobody here knows the host. */
  | { readonly kind: 'pass-through' }

/**
 * Decides about a request before anything of it is sent, and brings its head into the form that is routed and
 * forwarded, in place: pseudo-headers are in order, the path is normalised, what only the mesh may say is gone.
 */
export function decide(
  table: Table,
  call: OutboundCall,
  headers: string[],
  record: RequestRecord,
  random: Random,
): Decision {
  const reply = (reason: Parameters<typeof localReply>[0], detail: string, rule = '') => {
    return { kind: 'reply', reply: localReply(reason, { isGrpc: record.isGrpc, detail, rule }), delayMs: 0 } as const
  }
  const path = normalizePath(headers[pseudo.path] ?? '', table.pathNormalization)
  if (path === undefined) return reply('BAD_HTTP_REQUEST', 'the path cannot be brought into one form')
  headers[pseudo.path] = path
  record.node = table.node
  stripOwnHeaders(headers)
  const scheme = cleanRequest(headers, headers[pseudo.scheme] ?? 'http')
  const { method, authority } = record
  const request = { method, scheme, authority, path, headers }
  const host = virtualHostOf(table, call, authority)
  if (host === undefined || host.name === 'block_all') return reply('BLOCKED_HOST', authority)
  if (host.name === 'allow_any') return { kind: 'pass-through' }
  const route = findRoute(host, request)
  if (route === undefined) return reply('NO_HTTP_ROUTE', host.name)
  record.routeName = route.name
  record.rule = route.rule
  return follow(route, request, call, record, random)
}

/**
 * By its name; a name that nobody knows counts as that of the service whose address was called. Of an endpoint outside the
 * mesh it does not: one address may serve many names there, of which only some are known.
 */
function virtualHostOf(
  table: Table,
  { caller, port, destination, isBound }: OutboundCall,
  authority: string,
): VirtualHost | undefined {
  if (isBound === true) return table.routing.boundPort(caller.client, port)?.find(authority)
  const routes = table.routing.httpPort(caller.client, destination?.port.port ?? port)
  const host = routes.find(authority)
  const isKnown = host !== undefined && host.name !== 'allow_any' && host.name !== 'block_all'
  if (isKnown || destination === undefined) return host
  if (destination.pinned !== undefined && destination.service.external) return host
  return routes.find(destination.host) ?? host
}

function follow(
  route: Route,
  request: RouteRequest,
  call: OutboundCall,
  record: RequestRecord,
  random: Random,
): Decision {
  const fault = route.fault === undefined ? undefined : faultOf(route, random)
  const delayMs = fault?.delayMs ?? 0
  if (delayMs > 0) record.flags = 'DI'
  const { isGrpc, flags } = record
  if (fault?.abort !== undefined) {
    const reply = localReply('FAULT_ABORT', { isGrpc, detail: '', rule: route.rule, flags, abort: fault.abort })
    shapeResponse(route, undefined, reply.headers, record, request.headers)
    return { kind: 'reply', reply, delayMs }
  }
  const cors = corsOf(route, request)
  if (cors?.kind === 'preflight') {
    const reply = directReply({ status: 200, body: nothing })
    applyCors(cors, reply.headers)
    return { kind: 'reply', reply, delayMs }
  }
  const { action } = route
  if (action.kind === 'forward') {
    const destination = chooseDestination(action, random)
    // Whoever named an endpoint gets it, unless a rule says otherwise.
    const chosen = route.rule === 'default' ? call.destination?.pinned : undefined
    const pinned = chosen !== undefined && destination.host === call.destination?.host ? chosen : undefined
    return { kind: 'forward', route, action, destination, pinned, cors, delayMs }
  }
  const { scheme, authority, path } = request
  const reply =
    action.kind === 'redirect'
      ? redirectReply(redirectOf(route, request))
      : directReply(action, isGrpc, `${scheme}://${authority}${path}`)
  shapeResponse(route, undefined, reply.headers, record, request.headers)
  if (cors !== undefined) applyCors(cors, reply.headers)
  return { kind: 'reply', reply, delayMs }
}

const nothing = Buffer.alloc(0)
