import type { HttpMatchSpec, HttpRouteSpec } from '../model/traffic.ts'
import { octetsOf } from '../std/octets.ts'
import { compileRewrite, type PathRewrite, rewritePath } from './rewrite.ts'
import type { Route, RouteRequest } from './route.ts'

/** A prepared HTTPRedirect: empty parts are those of the request. */
export interface Redirect {
  readonly status: number
  readonly scheme: string
  readonly authority: string
  /** With its colon. */
  readonly port: string
  readonly path: string
  readonly pathHasQuery: boolean
  /** Of the request's path, where there is no `path`. */
  readonly rewrite: PathRewrite | undefined
}

type RedirectSpec = NonNullable<HttpRouteSpec['redirect']>

/** Prepares a redirect, for requests that one match of its rule has found and that come to `listenPort` in plaintext. */
export function compileRedirect(spec: RedirectSpec, match: HttpMatchSpec | undefined, listenPort: number): Redirect {
  const scheme = spec.scheme ?? ''
  const path = rooted(octetsOf(spec.uri ?? ''))
  const port = spec.derivePort === 'FROM_REQUEST_PORT' ? listenPort : (spec.port ?? 0)
  return {
    status: spec.redirectCode === undefined || spec.redirectCode === 0 ? 301 : spec.redirectCode,
    scheme,
    authority: octetsOf(spec.authority ?? ''),
    port: port === 0 || port === defaultPort(scheme === '' ? 'http' : scheme) ? '' : `:${port}`,
    path,
    pathHasQuery: path.includes('?'),
    rewrite: compileRewrite({ uri: rooted(spec.prefixRewrite ?? '') }, match),
  }
}

function rooted(path: string): string {
  return path === '' || path.startsWith('/') ? path : `/${path}`
}

/** Where the request should have gone, for a route whose action is a redirect (RFC 9110 section 15.4). */
export function redirectOf(
  { action }: Route,
  request: RouteRequest,
): { readonly status: number; readonly location: string } {
  if (action.kind !== 'redirect') throw new TypeError('the route does not redirect')
  const { redirect } = action
  return { status: redirect.status, location: locationOf(redirect, request) }
}

function locationOf(redirect: Redirect, request: RouteRequest): string {
  const scheme = redirect.scheme === '' ? request.scheme : redirect.scheme
  const authority = redirect.authority === '' ? authorityOf(redirect, request, scheme) : redirect.authority
  return `${scheme}://${authority}${redirect.port}${pathOf(redirect, request.path)}`
}

/** The query stays, unless the redirect has one of its own. */
function pathOf({ path, pathHasQuery, rewrite }: Redirect, requested: string): string {
  if (path === '') return rewrite === undefined ? requested : rewritePath(rewrite, requested)
  if (pathHasQuery) return path
  const query = requested.indexOf('?')
  return query < 0 ? path : path + requested.slice(query)
}

/** The request's, without its port where the redirect names one, or where it was the default of a scheme left behind. */
function authorityOf({ port }: Redirect, { authority, scheme }: RouteRequest, newScheme: string): string {
  const colon = authority.lastIndexOf(':')
  if (colon < 0 || authority.indexOf(']', colon) >= 0) return authority
  const wasDefault = scheme !== newScheme && Number(authority.slice(colon + 1)) === defaultPort(scheme)
  return port !== '' || wasDefault ? authority.slice(0, colon) : authority
}

function defaultPort(scheme: string): number {
  return scheme === 'https' ? 443 : 80
}
