import type { Config, DestinationRef, HttpRouteSpec, VirtualServiceSpec } from '../model/traffic.ts'
import { joinNames, type MatchConflict, mergeMatches } from './delegate-match.ts'
import { fullHost } from './hosts.ts'
import { exportSet, isExportedTo } from './visibility.ts'

/** A rule for requests as it holds. */
export interface HttpRule {
  readonly spec: HttpRouteSpec
  /**
   * Where it stands in its VirtualService, `http[1]`; of one that came in by delegation both places,
   * `http[1] delegate payments/refunds http[0]`.
   */
  readonly place: string
}

/** What a rule of a delegate comes to in its root; one that conflicts with the root's rule does not hold there. */
export type DelegatedRule = { readonly kind: 'merged'; readonly spec: HttpRouteSpec } | MatchConflict

/** What a reference of a root comes to. */
export type FoundDelegate =
  | { readonly kind: 'found'; readonly config: Config<VirtualServiceSpec> }
  | { readonly kind: 'unknown' | 'has-hosts' | 'not-exported' }

/** Finds VirtualServices by `<namespace>/<name>`. */
export type VirtualServicesByName = ReadonlyMap<string, Config<VirtualServiceSpec>>

/** True for a VirtualService that holds only where another one delegates to it (networking.istio.io/v1: without hosts). */
export function isDelegate({ hosts }: VirtualServiceSpec): boolean {
  return hosts === undefined || hosts.length === 0
}

/** `<namespace>/<name>` of the VirtualService that is meant; without a namespace one of the root's own. */
export function delegateName({ name, namespace }: NonNullable<HttpRouteSpec['delegate']>, root: string): string {
  return `${namespace || root}/${name ?? ''}`
}

/** The delegate that a root of a namespace names, if there is one and it is exported to that namespace. */
export function findDelegate(name: string, root: string, all: VirtualServicesByName): FoundDelegate {
  const config = all.get(name)
  if (config === undefined) return { kind: 'unknown' }
  if (!isDelegate(config.spec)) return { kind: 'has-hosts' }
  const exports = exportSet(config.spec.exportTo, config.namespace)
  return isExportedTo(exports, root) ? { kind: 'found', config } : { kind: 'not-exported' }
}

/**
 * The rules for requests of a VirtualService with hosts, in order: in place of one that delegates those of its delegate,
 * merged as Istio merges them. A rule whose delegate cannot be used is none.
 */
export function httpRules(root: Config<VirtualServiceSpec>, all: VirtualServicesByName, domain: string): HttpRule[] {
  return (root.spec.http ?? []).flatMap((spec, index): HttpRule[] => {
    const place = `http[${index}]`
    if (spec.delegate === undefined) return [{ spec, place }]
    const name = delegateName(spec.delegate, root.namespace)
    const found = findDelegate(name, root.namespace, all)
    if (found.kind !== 'found') return []
    return delegatedRules(spec, root.namespace, found.config, domain).flatMap((rule, at): HttpRule[] => {
      return rule.kind === 'merged' ? [{ spec: rule.spec, place: `${place} delegate ${name} http[${at}]` }] : []
    })
  })
}

/**
 * What the rules of a delegate come to in a root's rule, one for one. Matches are combined; of everything else that the
 * delegate's rule does not say itself the root's counts. Short names of hosts stay those of who wrote them.
 */
export function delegatedRules(
  rule: HttpRouteSpec,
  namespace: string,
  delegate: Config<VirtualServiceSpec>,
  domain: string,
): readonly DelegatedRule[] {
  const root = resolve(rule, namespace, domain)
  return (delegate.spec.http ?? []).map(spec => mergeRule(root, resolve(spec, delegate.namespace, domain)))
}

function mergeRule(root: HttpRouteSpec, own: HttpRouteSpec): DelegatedRule {
  const merged = mergeMatches(root.match ?? [], own.match ?? [])
  if (merged.kind === 'conflict') return merged
  return {
    kind: 'merged',
    spec: {
      ...own,
      name: joinNames(root.name, own.name),
      match: merged.matches,
      rewrite: own.rewrite ?? root.rewrite,
      directResponse: own.directResponse ?? root.directResponse,
      timeout: own.timeout ?? root.timeout,
      retries: own.retries ?? root.retries,
      fault: own.fault ?? root.fault,
      mirror: own.mirror ?? root.mirror,
      mirrorPercent: own.mirrorPercent ?? root.mirrorPercent,
      mirrorPercentage: own.mirrorPercentage ?? root.mirrorPercentage,
      mirrors: own.mirrors ?? root.mirrors,
      corsPolicy: own.corsPolicy ?? root.corsPolicy,
      headers: own.headers ?? root.headers,
    },
  }
}

/** The rule with full names in place of those that mean something in its namespace only. */
function resolve(spec: HttpRouteSpec, namespace: string, domain: string): HttpRouteSpec {
  const full = (ref: DestinationRef): DestinationRef => {
    return { ...ref, host: fullHost(ref.host.toLowerCase(), namespace, domain) }
  }
  return {
    ...spec,
    match: spec.match?.map(match => ({ ...match, gateways: match.gateways?.map(name => gateway(name, namespace)) })),
    route: spec.route?.map(one => ({ ...one, destination: full(one.destination) })),
    mirror: spec.mirror && full(spec.mirror),
    mirrors: spec.mirrors?.map(one => ({ ...one, destination: full(one.destination) })),
  }
}

function gateway(name: string, namespace: string): string {
  if (name.startsWith('./')) return `${namespace}/${name.slice(2)}`
  return name === 'mesh' || name.includes('/') ? name : `${namespace}/${name}`
}
