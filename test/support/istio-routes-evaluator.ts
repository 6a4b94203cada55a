import { applyCors, corsOf } from '../../mesh/routing/cors.ts'
import { chooseDestination, faultOf, mirrorsOf } from '../../mesh/routing/decide.ts'
import { cleanRequest, setAttemptCount } from '../../mesh/routing/envoy-headers.ts'
import { faultAbortMessage } from '../../mesh/routing/fault.ts'
import { grpcStatusOf, isGrpcRequest } from '../../mesh/routing/grpc.ts'
import { findRoute } from '../../mesh/routing/matching.ts'
import { normalizePath, type PathNormalization } from '../../mesh/routing/path.ts'
import { redirectOf } from '../../mesh/routing/redirect.ts'
import type { RequestFacts } from '../../mesh/routing/request-facts.ts'
import type { Fault, Route, RouteDestination, RouteRequest, VirtualHost } from '../../mesh/routing/route.ts'
import { mirrorRequest, shapeRequest, shapeResponse } from '../../mesh/routing/shape.ts'
import { factsOf } from './compiled-routes.ts'
import type { Observed, ObservedRequest, Pair, RecordedCluster, RouteCase } from './istio-routes.ts'

/** Where a recorded case's requests are routed. */
export interface CaseRouting {
  /** What is known of the authority at the port the client connects to. */
  virtualHost(authority: string, port: number): VirtualHost
  exists(destination: RouteDestination): boolean
  readonly pathNormalization: PathNormalization
}

/**
 * What the pure functions of routing make of a recorded case: what a proxy would answer itself, or what the upstream and
 * the client would get. Tries are not made: the number of the last one is taken from the recording.
 */
export function evaluateRouteCase(kase: RouteCase, routing: CaseRouting): Observed {
  const parsed = parseTarget(kase)
  if (parsed === undefined) return { status: 400, upstream: null }
  const isGrpc = isGrpcRequest(parsed.headers)
  const path = normalizePath(parsed.path, routing.pathNormalization)
  if (path === undefined) return { status: 400, upstream: null }
  const { method } = kase.request
  const headers = [':method', method, ':scheme', parsed.scheme, ':authority', parsed.authority, ':path', path]
  headers.push(...parsed.headers)
  const scheme = cleanRequest(headers, parsed.scheme)
  const request: RouteRequest = { method, scheme, authority: parsed.authority, path, headers }
  const facts = factsOf({ isGrpc, downstreamRemoteAddress: `${kase.client.ip}:40000` })
  const host = routing.virtualHost(parsed.authority, kase.request.port)
  const route = findRoute(host, request)
  if (route === undefined) return reply(404, '', { isGrpc, headers: [], grpcStatus: undefined })
  // many requests were sent for such a case, and what was recorded is about all of them
  if (kase.result.observed !== undefined) return drawn(route)
  return act(kase, routing, route, { request, headers, facts })
}

interface Exchange {
  readonly request: RouteRequest
  readonly headers: string[]
  readonly facts: RequestFacts
}

function act(kase: RouteCase, routing: CaseRouting, route: Route, exchange: Exchange): Observed {
  const { request, headers, facts } = exchange
  const fault = faultOf(route, () => 0.4999)
  if (fault?.abort !== undefined) return { ...abortReply(route, fault.abort, exchange), shadows: [] }
  const { action } = route
  if (action.kind === 'redirect') {
    const { status, location } = redirectOf(route, request)
    return reply(status, '', { isGrpc: facts.isGrpc, headers: ['location', location], route, exchange })
  }
  if (action.kind === 'direct') {
    const { status, body } = action
    // Envoy says where a request is that is answered with one of these
    const location = [201, 301, 302, 303, 307, 308].includes(status)
    const own = location ? ['location', `${request.scheme}://${request.authority}${request.path}`] : []
    return reply(status, body.toString('latin1'), { isGrpc: facts.isGrpc, headers: own, route, exchange })
  }
  const cors = corsOf(route, request)
  if (cors?.kind === 'preflight') {
    return reply(200, '', { isGrpc: false, headers: [...cors.headers] })
  }
  const destination = chooseDestination(action, () => 0)
  shapeRequest(route, destination, headers, { ...facts, upstreamCluster: destination.cluster })
  if (!routing.exists(destination)) return { ...reply(503, '', { isGrpc: facts.isGrpc, headers: [] }) }
  const shadows = mirrorsOf(route, () => 0).filter(mirror => routing.exists(mirror))
  const copies = shadows.map(shadow => asObserved(mirrorRequest(headers, '<proxy-ip>'), clusterOf(shadow)))
  const { attempts = 1 } = kase.result
  if (attempts > 1) setAttemptCount(headers, attempts)
  return {
    upstream: asObserved(headers, clusterOf(destination)),
    ...(brokeOff(kase)
      ? {}
      : { response: { headers: upstreamResponse(kase, route, destination, { ...exchange, cors }) } }),
    shadows: copies,
  }
}

/** The upstream's answer may not have been what the client got. */
function brokeOff({ upstreamBehaviour = [] }: RouteCase): boolean {
  return upstreamBehaviour.some(({ reset, delay }) => reset === true || delay !== undefined)
}

/** What the client gets of what the upstream answered to the last try. */
function upstreamResponse(
  kase: RouteCase,
  route: Route,
  destination: RouteDestination,
  { headers: request, facts, cors }: Exchange & { readonly cors: ReturnType<typeof corsOf> },
): readonly Pair[] {
  const behaviour = kase.upstreamBehaviour?.at(-1)
  const own = behaviour?.headers?.flat() ?? []
  const headers = [':status', '200', ...own, 'x-envoy-upstream-service-time', '<ms>']
  shapeResponse(route, destination, headers, facts, request)
  if (cors !== undefined) applyCors(cors, headers)
  return pairs(headers)
}

function abortReply(route: Route, abort: NonNullable<Fault['abort']>, exchange: Exchange): Observed {
  const status = abort.kind === 'http' ? abort.status : 200
  const grpcStatus = abort.kind === 'grpc' ? abort.status : undefined
  return reply(status, faultAbortMessage, { isGrpc: exchange.facts.isGrpc, headers: [], grpcStatus, route, exchange })
}

interface ReplyParts {
  readonly isGrpc: boolean
  readonly headers: string[]
  readonly grpcStatus?: number | undefined
  readonly route?: Route
  readonly exchange?: Exchange
}

/** As proxies answer themselves: gRPC clients get 200 and a status of theirs. */
function reply(status: number, body: string, parts: ReplyParts): Observed {
  const { isGrpc, headers, grpcStatus, route, exchange } = parts
  if (body !== '') headers.push('content-length', String(body.length), 'content-type', 'text/plain')
  if (route !== undefined && exchange !== undefined) {
    shapeResponse(route, undefined, headers, exchange.facts, exchange.headers)
  }
  if (!isGrpc) return { status, upstream: null, response: { headers: pairs(headers), body } }
  const grpc = ['content-type', 'application/grpc', 'grpc-status', String(grpcStatus ?? grpcStatusOf(status))]
  if (body !== '') grpc.push('grpc-message', body)
  const rest = pairs(headers).filter(([name]) => name !== 'content-length' && name !== 'content-type')
  return { status: 200, upstream: null, response: { headers: [...pairs(grpc), ...rest] } }
}

/** How often each destination is drawn, and whether a fault befalls some requests, all, or none. */
function drawn(route: Route): Observed {
  const { action } = route
  if (action.kind !== 'forward') return { upstream: null }
  const { destinations, totalWeight } = action
  const hundredths = Array.from({ length: 1000 }, (_, index) => index / 1000)
  const passed = hundredths.filter(draw => faultOf(route, () => draw)?.abort === undefined)
  const chosen = new Set(hundredths.map(draw => chooseDestination(action, () => draw)))
  const weights = [...chosen].map(chosen => ({
    cluster: clusterOf(chosen),
    weight: totalWeight > 0 ? chosen.weight : 100,
  }))
  const drawnClusters = passed.length > 0 ? destinations.filter(one => chosen.has(one)).map(clusterOf) : []
  return { weights, drawn: passed.length < hundredths.length ? [...drawnClusters, null] : drawnClusters }
}

function clusterOf({ host, port, subset, cluster }: RouteDestination): RecordedCluster {
  if (host === '') return { name: cluster }
  return { host, port, subset: subset === '' ? null : subset }
}

function asObserved(headers: readonly string[], cluster: RecordedCluster): ObservedRequest {
  const all = pairs(headers)
  const pseudo = (name: string) => all.find(pair => pair[0] === name)?.[1] ?? ''
  const fields = all.filter(([name]) => !name.startsWith(':'))
  return {
    ...{ cluster, method: pseudo(':method'), path: pseudo(':path') },
    headers: [['host', pseudo(':authority')], ...fields],
  }
}

function pairs(headers: readonly string[]): Pair[] {
  return headers.flatMap((name, at): Pair[] =>
    at % 2 === 0 && name !== ':status' ? [[name, headers[at + 1] ?? '']] : [],
  )
}

/**
 * What the HTTP/1.1 layer makes of a request: the target's form and the fields that belong to the connection are gone.
 * Undefined for one without a host.
 */
function parseTarget({ request }: RouteCase) {
  const absolute = /^(https?):\/\/([^/]*)(.*)$/i.exec(request.path)
  const authority = absolute?.[2] ?? request.headers.find(([name]) => name.toLowerCase() === 'host')?.[1]
  if (authority === undefined) return undefined
  const named = request.headers.filter(([name]) => name.toLowerCase() === 'connection').flatMap(([, v]) => v.split(','))
  const hopByHop = new Set([...connectionFields, ...named.map(name => name.trim().toLowerCase())])
  return {
    scheme: absolute?.[1]?.toLowerCase() ?? 'http',
    authority,
    path: absolute === null ? request.path : absolute[3] || '/',
    headers: request.headers.filter(([name]) => !hopByHop.has(name.toLowerCase())).flatMap(([n, v]) => [n, v.trim()]),
  }
}

const connectionFields = ['host', 'connection', 'keep-alive', 'proxy-connection', 'upgrade', 'transfer-encoding']
