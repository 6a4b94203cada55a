import type { HttpMatchSpec, HttpRouteSpec } from '../model/traffic.ts'
import { compilePattern, type LinearPattern } from '../std/linear-pattern.ts'
import { octetsOf } from '../std/octets.ts'

/** How a path is changed before it is sent; the query stays. Lengths are in octets. */
export type PathRewrite =
  | { readonly kind: 'whole'; readonly path: string }
  /** The first `length` octets, as text: `/old` to `/new` makes `/newer` of `/older`. */
  | { readonly kind: 'prefix'; readonly length: number; readonly path: string }
  /** Whole segments: exactly one slash stands between what was put in and what was left. */
  | { readonly kind: 'segments'; readonly length: number; readonly path: string }
  | { readonly kind: 'regex'; readonly pattern: LinearPattern; readonly path: string }

/**
 * Prepares the rewrite of a rule for one of its matches: what it replaces is what the match found, and a match that says
 * nothing of the path found `/`.
 */
export function compileRewrite(
  spec: HttpRouteSpec['rewrite'],
  match: HttpMatchSpec | undefined,
): PathRewrite | undefined {
  const regex = spec?.uriRegexRewrite
  if (regex?.match !== undefined && regex.match !== '') {
    return { kind: 'regex', pattern: compilePattern(regex.match), path: regex.rewrite ?? '' }
  }
  if (spec?.uri === undefined || spec.uri === '') return undefined
  const path = octetsOf(spec.uri)
  const uri = match?.uri
  if (uri?.exact !== undefined || uri?.regex !== undefined) return { kind: 'whole', path }
  if (uri?.pathPrefix !== undefined) {
    return { kind: 'segments', length: octetsOf(uri.pathPrefix).length, path }
  }
  return { kind: 'prefix', length: octetsOf(uri?.prefix ?? '/').length, path }
}

/** The path, with its query, as the upstream gets it. */
export function rewritePath(rewrite: PathRewrite, path: string): string {
  const query = path.indexOf('?')
  const end = query < 0 ? path.length : query
  switch (rewrite.kind) {
    case 'whole':
      return rewrite.path + path.slice(end)
    case 'prefix':
      return rewrite.path + path.slice(Math.min(rewrite.length, end))
    case 'segments':
      return joined(rewrite.path, path.slice(Math.min(rewrite.length, end), end)) + path.slice(end)
    case 'regex':
      return rewrite.pattern.replaceAll(path.slice(0, end), rewrite.path) + path.slice(end)
  }
}

function joined(path: string, rest: string): string {
  if (rest === '') return path
  const front = path.endsWith('/') ? path.slice(0, -1) : path
  return rest.startsWith('/') ? front + rest : `${front}/${rest}`
}
