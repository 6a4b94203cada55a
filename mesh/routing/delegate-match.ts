import type { HttpMatchSpec, StringMatch } from '../model/traffic.ts'

/** What two conditions come to together, or why no request is known to fit both. */
export type MergedMatches = { readonly kind: 'merged'; readonly matches: readonly HttpMatchSpec[] } | MatchConflict

/** A match that is within none of the root's, by its place in the delegate's rule, and why. */
export interface MatchConflict {
  readonly kind: 'conflict'
  readonly match: number
  readonly why: string
}

type Matches = HttpMatchSpec['headers']

/**
 * The matches of a rule that a root's rule delegates to (networking.istio.io/v1 Delegate): each one together with every
 * match of the root that it is within. One that is within none is a conflict, and takes the whole rule with it. A side
 * without matches leaves the other's as they are.
 */
export function mergeMatches(root: readonly HttpMatchSpec[], delegate: readonly HttpMatchSpec[]): MergedMatches {
  if (root.length === 0) return { kind: 'merged', matches: delegate }
  if (delegate.length === 0) return { kind: 'merged', matches: root }
  const matches: HttpMatchSpec[] = []
  for (const [match, own] of delegate.entries()) {
    const conflicts = root.map(wide => conflictOf(wide, own))
    const fitting = root.filter((_, index) => conflicts[index] === undefined)
    if (fitting.length === 0) return { kind: 'conflict', match, why: [...new Set(conflicts)].join('; ') }
    for (const wide of fitting) matches.push(mergeMatch(wide, own))
  }
  return { kind: 'merged', matches }
}

/** What the delegate does not say is the root's; of a header that both name the delegate's condition holds. */
function mergeMatch(root: HttpMatchSpec, own: HttpMatchSpec): HttpMatchSpec {
  return {
    ...own,
    name: joinNames(root.name, own.name),
    uri: own.uri ?? root.uri,
    scheme: own.scheme ?? root.scheme,
    method: own.method ?? root.method,
    authority: own.authority ?? root.authority,
    headers: { ...root.headers, ...own.headers },
    withoutHeaders: { ...root.withoutHeaders, ...own.withoutHeaders },
    queryParams: { ...root.queryParams, ...own.queryParams },
    port: own.port || root.port,
    sourceLabels: { ...root.sourceLabels, ...own.sourceLabels },
    sourceNamespace: own.sourceNamespace || root.sourceNamespace,
    gateways: isEmpty(own.gateways) ? root.gateways : own.gateways,
  }
}

/** `<root>-<own>`, or the one that there is. */
export function joinNames(root: string | undefined, own: string | undefined): string | undefined {
  if (own === undefined || own === '') return root
  return root === undefined || root === '' ? own : `${root}-${own}`
}

/** Why the delegate's match is not within the root's; undefined when it is. Istio's test, which compares texts only. */
function conflictOf(root: HttpMatchSpec, own: HttpMatchSpec): string | undefined {
  for (const part of ['uri', 'scheme', 'method', 'authority'] as const) {
    const why = textConflict(root[part], own[part])
    if (why !== undefined) return `its ${part} ${why}`
  }
  const why =
    mapConflict('header', root.headers, own.headers) ??
    mapConflict('absent header', root.withoutHeaders, own.withoutHeaders) ??
    mapConflict('parameter', root.queryParams, own.queryParams)
  return why ?? callerConflict(root, own)
}

function mapConflict(what: string, root: Matches, own: Matches): string | undefined {
  for (const [name, match] of Object.entries(own ?? {})) {
    const why = textConflict(root !== undefined && Object.hasOwn(root, name) ? root[name] : undefined, match)
    if (why !== undefined) return `its ${what} ${name} ${why}`
  }
  return undefined
}

function callerConflict(root: HttpMatchSpec, own: HttpMatchSpec): string | undefined {
  if ((root.ignoreUriCase ?? false) !== (own.ignoreUriCase ?? false)) return 'its ignoreUriCase is not the root’s'
  if (root.port && own.port && root.port !== own.port) return `its port is not the root’s ${root.port}`
  // Istio asks for it even of a match that names no namespace
  if (root.sourceNamespace && own.sourceNamespace !== root.sourceNamespace) {
    return `its sourceNamespace is not the root’s ${root.sourceNamespace}`
  }
  for (const [name, value] of Object.entries(own.sourceLabels ?? {})) {
    const wanted = root.sourceLabels !== undefined && Object.hasOwn(root.sourceLabels, name)
    if (wanted && root.sourceLabels[name] !== value) return `its source label ${name} is not the root’s`
  }
  if (isEmpty(root.gateways) || isEmpty(own.gateways)) return undefined
  const known = new Set(root.gateways)
  const among = (own.gateways?.length ?? 0) <= known.size && own.gateways?.every(name => known.has(name))
  return among === true ? undefined : 'its gateways are not among the root’s'
}

/** Only texts are compared: an expression, or a condition without a text, is within nothing but the absence of one. */
function textConflict(root: StringMatch | undefined, own: StringMatch | undefined): string | undefined {
  if (root === undefined || own === undefined) return undefined
  if (root.regex || own.regex) return 'stands against another one, and expressions cannot be compared'
  const whole = root.exact || undefined
  if (whole !== undefined) return own.exact === whole ? undefined : `is not the root’s ${quoted(whole)}`
  const start = own.prefix || own.exact || own.pathPrefix || ''
  if (root.prefix) {
    return start.startsWith(root.prefix) ? undefined : `does not begin with the root’s ${quoted(root.prefix)}`
  }
  if (root.pathPrefix) {
    const inside = root.pathPrefix.endsWith('/') ? root.pathPrefix : `${root.pathPrefix}/`
    const isWhole = start === root.pathPrefix && !own.prefix
    return isWhole || start.startsWith(inside) ? undefined : `is not below the root’s ${quoted(root.pathPrefix)}`
  }
  return 'stands against one of the root without a text'
}

function isEmpty(list: readonly string[] | undefined): boolean {
  return list === undefined || list.length === 0
}

function quoted(text: string): string {
  return JSON.stringify(text)
}
