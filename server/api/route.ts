import { MeshError } from '../../mesh/std/errors.ts'
import type { Access, Writer } from './access.ts'

/** One request of the API, after authentication and parsing. */
export interface ApiRequest {
  /** What the path's `:name` segments matched, decoded. */
  readonly params: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  /** Where it came from. */
  readonly address: string
  /** Who asks; what is written is noted here. */
  readonly by: Writer
  /** The body as text, at most the API's limit long. */
  readonly body: string
}

/** Who may call a route: whoever has what it declares or, without a bearer token, everybody. */
type Guard = { readonly access: Access; readonly open?: never } | { readonly open: true; readonly access?: never }

/** One endpoint of the API; what `handle` returns is the JSON of a 200 answer. */
export type Route = Guard & {
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** Segments that begin with a colon match anything: `/v1/tokens/:id`. */
  readonly path: string
  handle(request: ApiRequest): Promise<unknown> | unknown
}

/** The route for a method and path, with its parameters; undefined when there is none. */
export function findRoute(
  routes: readonly Route[],
  method: string,
  path: string,
): { readonly route: Route; readonly params: Readonly<Record<string, string>> } | undefined {
  const segments = path.split('/')
  for (const route of routes) {
    const params = route.method === method ? match(route.path.split('/'), segments) : undefined
    if (params !== undefined) return { route, params }
  }
  return undefined
}

function match(pattern: readonly string[], segments: readonly string[]): Record<string, string> | undefined {
  if (pattern.length !== segments.length) return undefined
  const params: Record<string, string> = {}
  for (const [at, expected] of pattern.entries()) {
    const segment = segments[at] ?? ''
    if (!expected.startsWith(':')) {
      if (segment !== expected) return undefined
      continue
    }
    try {
      params[expected.slice(1)] = decodeURIComponent(segment)
    } catch {
      return undefined
    }
  }
  return params
}

/** The body as a JSON object; throws WEFT_USAGE. */
export function jsonBody(request: ApiRequest): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(request.body)
  } catch (cause) {
    throw new MeshError('WEFT_USAGE', 'the body is not JSON', { cause })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new MeshError('WEFT_USAGE', 'the body is not a JSON object')
  }
  return value as Record<string, unknown>
}

/** A text field of a JSON body; throws WEFT_USAGE naming the field. */
export function textField(body: Readonly<Record<string, unknown>>, field: string): string {
  const value = body[field]
  if (typeof value !== 'string' || value === '') {
    throw new MeshError('WEFT_USAGE', `the body has no text in ${field}`, { fields: { field } })
  }
  return value
}
