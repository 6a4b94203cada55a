import type { HttpRouteSpec } from '../model/traffic.ts'
import { parseDurationMs } from '../std/duration.ts'
import { octetsOf } from '../std/octets.ts'
import { valueTest } from './compile-match.ts'
import { fieldOf, setField } from './header-fields.ts'
import { passes, type ValueTest } from './matching.ts'
import type { Route, RouteRequest } from './route.ts'

/** A prepared CorsPolicy (Fetch standard, section 3.2; Envoy's cors filter). Empty texts are no header. */
export interface CorsPolicy {
  readonly anyOrigin: boolean
  readonly origins: readonly ValueTest[]
  readonly allowMethods: string
  readonly allowHeaders: string
  readonly exposeHeaders: string
  /** Seconds. */
  readonly maxAge: string
  readonly allowCredentials: boolean
  /** Preflights of other origins go upstream; else they are answered without leave. */
  readonly forwardUnmatched: boolean
}

/** `preflight` is answered with 200, these headers and no body; `response` puts headers on what the upstream answers. */
export interface CorsDecision {
  readonly kind: 'preflight' | 'response'
  /** Flat pairs. */
  readonly headers: readonly string[]
}

type CorsSpec = NonNullable<HttpRouteSpec['corsPolicy']>

export function compileCors(spec: CorsSpec): CorsPolicy {
  const allowed = spec.allowOrigins ?? (spec.allowOrigin ?? []).map(exact => ({ exact }))
  const origins = allowed.map(origin => valueTest(origin, false))
  const maxAgeMs = spec.maxAge === undefined ? undefined : parseDurationMs(spec.maxAge)
  return {
    anyOrigin: origins.some(test => passes(test, '*')),
    origins,
    allowMethods: list(spec.allowMethods),
    allowHeaders: list(spec.allowHeaders),
    exposeHeaders: list(spec.exposeHeaders),
    maxAge: maxAgeMs === undefined ? '' : String(Math.floor(maxAgeMs / 1000)),
    allowCredentials: spec.allowCredentials ?? false,
    forwardUnmatched: spec.unmatchedPreflights !== 'IGNORE',
  }
}

function list(values: readonly string[] | undefined): string {
  return octetsOf((values ?? []).join(','))
}

/** What cross-origin rules ask for; undefined where they have no say: no policy, no origin, or one that is not allowed. */
export function corsOf(route: Route, request: RouteRequest): CorsDecision | undefined {
  const { cors } = route
  if (cors === undefined) return undefined
  const origin = fieldOf(request.headers, 'origin')
  if (origin === undefined || origin === '') return undefined
  const asked = request.method === 'OPTIONS' ? fieldOf(request.headers, 'access-control-request-method') : undefined
  const preflight = asked !== undefined && asked !== ''
  if (!cors.anyOrigin && !cors.origins.some(test => passes(test, origin))) {
    return preflight && !cors.forwardUnmatched ? { kind: 'preflight', headers: [] } : undefined
  }
  const headers = ['access-control-allow-origin', origin]
  if (cors.allowCredentials) headers.push('access-control-allow-credentials', 'true')
  if (preflight) {
    const { allowMethods, allowHeaders } = cors
    if (allowMethods !== '') headers.push('access-control-allow-methods', allowMethods === '*' ? asked : allowMethods)
    if (allowHeaders !== '') {
      const wanted = allowHeaders === '*' ? fieldOf(request.headers, 'access-control-request-headers') : allowHeaders
      headers.push('access-control-allow-headers', wanted ?? '')
    }
    if (cors.maxAge !== '') headers.push('access-control-max-age', cors.maxAge)
  }
  if (cors.exposeHeaders !== '') headers.push('access-control-expose-headers', cors.exposeHeaders)
  return { kind: preflight ? 'preflight' : 'response', headers }
}

/** Puts a decision's headers on a response, in place of what the upstream said itself. */
export function applyCors({ headers: own }: CorsDecision, headers: string[]): void {
  for (let at = 0; at < own.length; at += 2) setField(headers, own[at] ?? '', own[at + 1] ?? '')
}
