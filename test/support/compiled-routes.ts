import type { HttpMatchSpec, HttpRouteSpec } from '../../mesh/model/traffic.ts'
import { compileHttpRoutes } from '../../mesh/routing/compile-routes.ts'
import type { CompileContext } from '../../mesh/routing/context.ts'
import type { RequestFacts } from '../../mesh/routing/request-facts.ts'
import type { Route, RouteDestination, RouteRequest, VirtualHost } from '../../mesh/routing/route.ts'

/** A context that knows no services: hosts are in the rule's namespace, ports are 80. */
export function compileContext(changes: Partial<CompileContext> = {}): CompileContext {
  return {
    client: { namespace: 'shop', labels: { app: 'web' } },
    port: 80,
    gateway: 'mesh',
    defaultRetries: undefined,
    destination({ host, subset = '', port }, namespace, weight): RouteDestination {
      const name = host.includes('.') ? host : `${host}.${namespace}.mesh`
      const number = port?.number ?? 80
      return { host: name, port: number, subset, cluster: `outbound|${number}|${subset}|${name}`, weight }
    },
    consistentHash: () => false,
    ...changes,
  }
}

/** The routes of a VirtualService `shop/cart`; rules that say no action go to `cart`. */
export function routesOf(http: readonly HttpRouteSpec[], context: Partial<CompileContext> = {}): readonly Route[] {
  const rules = http.map((spec, index) => ({ spec: withAction(spec), place: `http[${index}]` }))
  return compileHttpRoutes(rules, { namespace: 'shop', name: 'cart' }, compileContext(context))
}

function withAction(spec: HttpRouteSpec): HttpRouteSpec {
  const acts = spec.route !== undefined || spec.redirect !== undefined || spec.directResponse !== undefined
  return acts ? spec : { ...spec, route: [{ destination: { host: 'cart' } }] }
}

/** The one route of one rule. */
export function routeOf(spec: HttpRouteSpec, context: Partial<CompileContext> = {}): Route {
  const [route] = routesOf([spec], context)
  if (route === undefined) throw new Error('the rule is not for the client')
  return route
}

export function hostOf(matches: readonly HttpMatchSpec[]): VirtualHost {
  return {
    name: 'cart:80',
    routes: routesOf(matches.map((match, index) => ({ name: `rule-${index}`, match: [match] }))),
  }
}

export function requestOf(changes: Partial<RouteRequest> = {}): RouteRequest {
  return { method: 'GET', scheme: 'http', authority: 'cart', path: '/', headers: [], ...changes }
}

/** The head of a GET, with these fields behind its pseudo-headers. */
export function headOf(path: string, ...fields: string[]): string[] {
  return [':method', 'GET', ':scheme', 'http', ':authority', 'cart', ':path', path, ...fields]
}

export function factsOf(changes: Partial<RequestFacts> = {}): RequestFacts {
  return {
    protocol: 'HTTP/1.1',
    isGrpc: false,
    startedAt: 0,
    downstreamRemoteAddress: '10.20.0.5:40000',
    downstreamLocalAddress: '10.96.0.10:80',
    upstreamHost: '',
    upstreamLocalAddress: '',
    upstreamCluster: '',
    requestedServerName: '',
    routeName: '',
    requestId: '',
    status: 0,
    flags: '',
    codeDetails: '',
    bytesReceived: 0,
    bytesSent: 0,
    attempts: 0,
    node: '',
    ...changes,
  }
}
