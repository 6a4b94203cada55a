import { timeoutOf } from './decide.ts'
import { setExpectedTimeout } from './envoy-headers.ts'
import { fieldOf, setField } from './header-fields.ts'
import { applyOperations } from './header-operations.ts'
import type { RequestFacts } from './request-facts.ts'
import { rewritePath } from './rewrite.ts'
import type { RequestShape, Route, RouteDestination } from './route.ts'

/**
 * What a route does to messages on their way. The order is Envoy's: what every request gets, then the operations of the
 * destination and of the route, then authority and path, so that values see the request as the client sent it.
 */

/** Makes of a routed request the one that is sent, in place. Once a request, not once a try. */
export function shapeRequest(
  route: Route,
  destination: RouteDestination,
  headers: string[],
  facts: RequestFacts,
): void {
  const totalMs = timeoutOf(route, headers, facts.isGrpc)
  setExpectedTimeout(route, headers, facts.isGrpc, totalMs, 0)
  headers.push('x-envoy-attempt-count', '1')
  const { shape } = destination
  if (shape !== undefined) {
    if (shape.request !== undefined) applyOperations(shape.request, headers, { request: headers, response: [], facts })
    if (shape.authority !== '') setAuthority(headers, shape.authority)
  }
  if (route.request !== undefined) applyShape(route.request, headers, facts)
}

function applyShape(shape: RequestShape, headers: string[], facts: RequestFacts): void {
  const { operations, authority, rewrite } = shape
  if (operations !== undefined) applyOperations(operations, headers, { request: headers, response: [], facts })
  if (authority !== '') {
    const original = setAuthority(headers, authority)
    if (original !== undefined) setField(headers, 'x-envoy-original-host', original)
  }
  if (rewrite !== undefined) {
    const path = fieldOf(headers, ':path')
    if (path === undefined) return
    setField(headers, ':path', rewritePath(rewrite, path))
    setField(headers, 'x-envoy-original-path', path)
  }
}

/** Gives the request this authority, among the pseudo-headers; what it was before. */
function setAuthority(headers: string[], authority: string): string | undefined {
  const original = fieldOf(headers, ':authority')
  if (original === undefined) headers.unshift(':authority', authority)
  else setField(headers, ':authority', authority)
  return original
}

const noHeaders: readonly string[] = []

/**
 * Changes a response as its route says, in place; replies of the mesh itself too, which have no destination. `request`
 * is the request as it was sent, for values made from it.
 */
export function shapeResponse(
  route: Route,
  destination: RouteDestination | undefined,
  headers: string[],
  facts: RequestFacts,
  request: readonly string[] = noHeaders,
): void {
  const first = destination?.shape?.response
  if (first === undefined && route.response === undefined) return
  const input = { request, response: headers, facts }
  if (first !== undefined) applyOperations(first, headers, input)
  if (route.response !== undefined) applyOperations(route.response, headers, input)
}

/** Makes of a request that is being sent the copy for a mirror: it says that a proxy made it, and which. */
export function mirrorRequest(headers: readonly string[], localAddress: string): string[] {
  const copy = [...headers]
  setField(copy, 'x-envoy-internal', 'true')
  const forwarded = fieldOf(copy, 'x-forwarded-for')
  setField(copy, 'x-forwarded-for', forwarded === undefined ? localAddress : `${forwarded},${localAddress}`)
  return copy
}
