import type { LinearPattern } from '../std/linear-pattern.ts'
import { isField, startsWithFolded } from './header-fields.ts'
import type { Route, RouteRequest, VirtualHost } from './route.ts'

/**
 * Whether a request is one that a rule means (networking.istio.io/v1 HTTPMatchRequest; Envoy: route.v3.RouteMatch,
 * HeaderMatcher, QueryParameterMatcher). Only looks: conditions were prepared by `compile-match.ts`.
 */

/** What a value must be. `segments` are whole path segments: `/foo` fits `/foo` and `/foo/x`, not `/foobar`. */
export interface ValueTest {
  readonly kind: 'present' | 'exact' | 'prefix' | 'segments' | 'regex'
  /** Octets to compare with, lower case where case is ignored. */
  readonly text: string
  readonly ignoreCase: boolean
  readonly pattern: LinearPattern | undefined
}

/** One thing that must hold of a request. */
export interface Condition {
  readonly of: 'path' | 'method' | 'scheme' | 'authority' | 'header' | 'query'
  /** Of the header, in lower case, or of the query parameter; empty for the others. */
  readonly name: string
  /** The value must not pass the test: none of a header's, and an absent header counts as an empty one. */
  readonly not: boolean
  readonly test: ValueTest
}

/** The first route of the host that means the request; undefined without one (404, or `UNIMPLEMENTED` of gRPC). */
export function findRoute(host: VirtualHost, request: RouteRequest): Route | undefined {
  const { routes } = host
  for (let at = 0; at < routes.length; at += 1) {
    const route = routes[at]
    if (route !== undefined && matchesRoute(route, request)) return route
  }
  return undefined
}

/** Whether all of the route's conditions hold. */
export function matchesRoute(route: Route, request: RouteRequest): boolean {
  const { match } = route
  for (let at = 0; at < match.length; at += 1) {
    const condition = match[at]
    if (condition !== undefined && !holds(condition, request)) return false
  }
  return true
}

function holds(condition: Condition, request: RouteRequest): boolean {
  const { test } = condition
  switch (condition.of) {
    case 'path':
      return pathPasses(test, request.path) !== condition.not
    case 'method':
      return passes(test, request.method) !== condition.not
    case 'scheme':
      return passes(test, request.scheme) !== condition.not
    case 'authority':
      return passes(test, request.authority) !== condition.not
    case 'header':
      return headersHold(condition, request.headers)
    case 'query':
      return queryPasses(test, condition.name, request.path)
  }
}

/** Tests one value. */
export function passes(test: ValueTest, value: string): boolean {
  return passesUpTo(test, value, value.length)
}

/** Without its query; a fragment was cut when the path was normalised. */
function pathPasses(test: ValueTest, path: string): boolean {
  // most rules of a long list fail here, before anything is looked for
  if (test.pattern === undefined && !begins(test, path)) return false
  const query = path.indexOf('?')
  return passesUpTo(test, path, query < 0 ? path.length : query)
}

/** The first `end` units of `value` are what is tested: nothing is cut out to be compared. */
function passesUpTo(test: ValueTest, value: string, end: number): boolean {
  const { text } = test
  switch (test.kind) {
    case 'present':
      return true
    case 'exact':
      return end === text.length && begins(test, value)
    case 'prefix':
      return end >= text.length && begins(test, value)
    case 'segments':
      if (end < text.length || !begins(test, value)) return false
      return end === text.length || text.endsWith('/') || value.charCodeAt(text.length) === slash
    case 'regex':
      return test.pattern?.matches(end === value.length ? value : value.slice(0, end)) ?? false
  }
}

const slash = 0x2f

function begins({ text, ignoreCase }: ValueTest, value: string): boolean {
  if (ignoreCase) return startsWithFolded(value, text)
  if (value.length < text.length) return false
  // from the back: rules of one service begin alike
  for (let at = text.length - 1; at >= 0; at -= 1) {
    if (value.charCodeAt(at) !== text.charCodeAt(at)) return false
  }
  return true
}

/** A header with several fields passes where one of them does (Envoy's `match_headers_individually`). */
function headersHold({ name, not, test }: Condition, headers: readonly string[]): boolean {
  let found = false
  for (let at = 0; at < headers.length; at += 2) {
    if (!isField(headers[at], name)) continue
    found = true
    if (passes(test, headers[at + 1] ?? '')) return !not
  }
  if (found) return not
  return not && (test.kind === 'present' || !passes(test, ''))
}

/** The first parameter of the name counts; its name and value are compared as they were sent. */
function queryPasses(test: ValueTest, name: string, path: string): boolean {
  const query = path.indexOf('?')
  if (query < 0) return false
  let from = query + 1
  while (from <= path.length) {
    const ampersand = path.indexOf('&', from)
    const end = ampersand < 0 ? path.length : ampersand
    const nameEnd = from + name.length
    if (nameEnd <= end && path.startsWith(name, from) && (nameEnd === end || path.charCodeAt(nameEnd) === equals)) {
      return test.kind === 'present' || passes(test, path.slice(Math.min(nameEnd + 1, end), end))
    }
    from = end + 1
  }
  return false
}

const equals = 0x3d
