import type { HttpMatchSpec, L4MatchSpec, StringMatch } from '../model/traffic.ts'
import { isSubsetOf } from '../routing/hosts.ts'

/**
 * Whether everything that one match lets through is let through by another: only what is certain is said, so `false`
 * means that nobody knows.
 */

type Labels = Readonly<Record<string, string>>
type Matches = Readonly<Record<string, StringMatch>>

/** True when every request that fits `narrow` fits `wide`. */
export function coversHttp(wide: HttpMatchSpec, narrow: HttpMatchSpec): boolean {
  return (
    coversUri(wide, narrow) &&
    coversText(wide.scheme, narrow.scheme) &&
    coversText(wide.method, narrow.method) &&
    coversText(wide.authority, narrow.authority) &&
    coversAll(lowerKeys(wide.headers), lowerKeys(narrow.headers)) &&
    coversAll(wide.queryParams, narrow.queryParams) &&
    coversAbsence(lowerKeys(wide.withoutHeaders), lowerKeys(narrow.withoutHeaders)) &&
    coversCaller(wide, narrow)
  )
}

/** True when every connection that fits `narrow` fits `wide`; of names of TLS one is enough. */
export function coversL4(
  wide: L4MatchSpec & { readonly sniHosts?: readonly string[] },
  narrow: L4MatchSpec & { readonly sniHosts?: readonly string[] },
): boolean {
  const subnets = wide.destinationSubnets ?? []
  const wanted = narrow.destinationSubnets ?? []
  const sameNet = subnets.length === 0 || (wanted.length > 0 && wanted.every(subnet => subnets.includes(subnet)))
  const names = (narrow.sniHosts ?? []).every(name => wide.sniHosts?.some(other => isSubsetOf(name, other)) ?? true)
  return sameNet && names && coversCaller(wide, narrow)
}

function coversCaller(wide: L4MatchSpec, narrow: L4MatchSpec): boolean {
  const { port = 0, sourceNamespace = '', sourceLabels = {}, gateways = [] } = wide
  if (port !== 0 && port !== narrow.port) return false
  if (sourceNamespace !== '' && sourceNamespace !== narrow.sourceNamespace) return false
  if (!hasLabels(narrow.sourceLabels ?? {}, sourceLabels)) return false
  const theirs = narrow.gateways ?? []
  return gateways.length === 0 || (theirs.length > 0 && theirs.every(gateway => gateways.includes(gateway)))
}

function hasLabels(labels: Labels, wanted: Labels): boolean {
  return Object.entries(wanted).every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value)
}

function coversUri(wide: HttpMatchSpec, narrow: HttpMatchSpec): boolean {
  if (matchesAnything(wide.uri)) return true
  const [a, b] = [wide.uri ?? {}, narrow.uri ?? {}]
  // one that ignores case lets more through than the same one that does not; expressions never ignore it
  if (wide.ignoreUriCase === true) return coversText(lower(a), lower(b))
  return narrow.ignoreUriCase === true && b.regex === undefined ? false : coversText(a, b)
}

/** True when every value that fits `narrow` fits `wide`; an absent one fits all. */
function coversText(wide: StringMatch | undefined, narrow: StringMatch | undefined): boolean {
  if (matchesAnything(wide)) return true
  if (wide === undefined || narrow === undefined) return false
  const { exact, prefix, pathPrefix, regex } = wide
  if (regex !== undefined) return narrow.regex === regex
  if (exact !== undefined) return narrow.exact === exact
  if (prefix !== undefined) {
    const start = narrow.exact ?? narrow.prefix ?? narrow.pathPrefix
    return start?.startsWith(prefix) ?? false
  }
  if (pathPrefix === undefined) return false
  const inside = pathPrefix.endsWith('/') ? pathPrefix : `${pathPrefix}/`
  const whole = narrow.exact ?? narrow.pathPrefix
  if (whole !== undefined) return whole === pathPrefix || whole.startsWith(inside)
  return narrow.prefix?.startsWith(inside) ?? false
}

/** For the values of a map: a key that is only named must be there, whatever its value. */
function coversAll(wide: Matches | undefined, narrow: Matches | undefined): boolean {
  return Object.entries(wide ?? {}).every(([name, match]) => {
    const theirs = narrow !== undefined && Object.hasOwn(narrow, name) ? narrow[name] : undefined
    return theirs !== undefined && (isEmpty(match) || coversText(match, theirs))
  })
}

function coversAbsence(wide: Matches, narrow: Matches): boolean {
  return Object.entries(wide).every(([name, match]) => {
    const theirs = Object.hasOwn(narrow, name) ? narrow[name] : undefined
    return theirs !== undefined && sameMatch(match, theirs)
  })
}

function sameMatch(a: StringMatch, b: StringMatch): boolean {
  return a.exact === b.exact && a.prefix === b.prefix && a.regex === b.regex && a.pathPrefix === b.pathPrefix
}

function isEmpty({ exact, prefix, regex, pathPrefix }: StringMatch): boolean {
  return exact === undefined && prefix === undefined && regex === undefined && pathPrefix === undefined
}

/** Of a text that is always there: none of the ways, an empty prefix, an expression for anything. */
function matchesAnything(match: StringMatch | undefined): boolean {
  return match === undefined || isEmpty(match) || match.prefix === '' || match.regex === '.*'
}

function lower(match: StringMatch): StringMatch {
  const { exact, prefix, pathPrefix } = match
  return {
    ...match,
    ...(exact !== undefined && { exact: exact.toLowerCase() }),
    ...(prefix !== undefined && { prefix: prefix.toLowerCase() }),
    ...(pathPrefix !== undefined && { pathPrefix: pathPrefix.toLowerCase() }),
  }
}

function lowerKeys(matches: Matches | undefined): Matches {
  return Object.fromEntries(Object.entries(matches ?? {}).map(([name, match]) => [name.toLowerCase(), match]))
}
