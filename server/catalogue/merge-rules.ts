import { byAge } from '../../mesh/policy/peer-authentication.ts'
import { describeResource, type Resource } from '../../mesh/resources/resource.ts'
import type { ServiceMerge } from '../../mesh/resources/service-merge.ts'
import { MeshError } from '../../mesh/std/errors.ts'
import { type MergeSelector, type MergeTarget, placedSelectors, serviceSelector } from './merge-selectors.ts'

/** What holds when several registries speak of the same service. */
export type MergeRule =
  | { readonly kind: 'error' }
  | {
      readonly kind: 'union'
      /**
       * Registry to its share of the service's traffic, relative to the others; one that is not in it gets none.
       * Absent: every endpoint by its own weight.
       */
      readonly weights?: ReadonlyMap<string, number>
    }
  | { readonly kind: 'prefer'; readonly registry: string }

/** A rule, and who says so: `merge.rule`, `merge.services`, `ServiceMerge default/payments`. */
export interface MergeVerdict {
  readonly rule: MergeRule
  readonly from: string
}

export interface MergeRules {
  /** What holds for a service: by its exact name, else by a host, else by the longest pattern, else the default. */
  ruleFor(service: MergeTarget): MergeVerdict
}

/** The rules as they stand in the configuration. */
export interface MergeRulesText {
  readonly rule: string
  /** `<namespace>/<service>=<rule>`; `*` in either name stands for any text. */
  readonly services: readonly string[]
  /** Namespace whose resources may speak of services anywhere; without one none does. */
  readonly rootNamespace?: string
}

/**
 * The rules of the configuration (`error`, `union`, or `prefer:<registry>` with a registry that exists) together with
 * those that operators applied, which go before them where both are equally specific; of several resources the oldest.
 * Throws WEFT_CONFIG_INVALID naming the setting that is wrong; resources were checked when they were written.
 */
export function composeMergeRules(
  config: MergeRulesText,
  resources: readonly Resource[],
  registries: readonly string[],
): MergeRules {
  const standard: MergeVerdict = { rule: parseMergeRule(config.rule, 'merge.rule', registries), from: 'merge.rule' }
  const merges = resources.filter(resource => resource.kind === 'ServiceMerge').toSorted(byAge)
  const said = [
    ...merges.flatMap(merge => saidBy(merge, config.rootNamespace)),
    ...config.services.map(text => saidBySetting(text, registries)),
  ]
  const ranked = said.map((one, rank) => ({ ...one, rank }))
  const exact = new Map<string, MergeVerdict>()
  const hosts = new Map<string, Ranked[]>()
  for (const one of ranked) {
    const { kind, text, pattern } = one.selector
    if (pattern) continue
    if (kind === 'host') hosts.set(text, [...(hosts.get(text) ?? []), one])
    else if (!exact.has(text)) exact.set(text, one.verdict)
  }
  const patterns = ranked
    .filter(one => one.selector.pattern)
    .sort((a, b) => b.selector.text.length - a.selector.text.length || a.rank - b.rank)
  return {
    ruleFor(service) {
      const matches = (one: Ranked) => one.selector.matches(service)
      const byHost = () => {
        const all = hosts.size === 0 ? [] : service.hosts.flatMap(host => hosts.get(host) ?? [])
        return all.filter(matches).sort((a, b) => a.rank - b.rank)[0]
      }
      const byName = exact.get(`${service.namespace}/${service.name}`)
      return byName ?? (byHost() ?? patterns.find(matches))?.verdict ?? standard
    },
  }
}

interface Said {
  readonly selector: MergeSelector
  readonly verdict: MergeVerdict
}

/** With its place among equally specific ones: the lowest wins. */
interface Ranked extends Said {
  readonly rank: number
}

function saidBy(merge: ServiceMerge, rootNamespace: string | undefined): Said[] {
  const verdict = { rule: ruleOf(merge), from: describeResource(merge) }
  return placedSelectors(merge, rootNamespace).flatMap(({ selector }) => {
    return selector === undefined ? [] : [{ selector, verdict }]
  })
}

function ruleOf({ spec }: ServiceMerge): MergeRule {
  if (spec.rule === 'prefer') return { kind: 'prefer', registry: spec.prefer ?? '' }
  if (spec.rule === 'error' || spec.weights === undefined) return { kind: spec.rule }
  return { kind: 'union', weights: new Map(Object.entries(spec.weights)) }
}

function saidBySetting(text: string, registries: readonly string[]): Said {
  const [, key, rule] = /^((?:\*|[a-z0-9-]+)\/[a-z0-9*-]+)=(.+)$/.exec(text) ?? []
  if (key === undefined || rule === undefined) {
    throw new MeshError('WEFT_CONFIG_INVALID', `merge.services: ${text} is not <namespace>/<service>=<rule>`)
  }
  const verdict = { rule: parseMergeRule(rule, 'merge.services', registries), from: 'merge.services' }
  return { selector: serviceSelector(key), verdict }
}

function parseMergeRule(text: string, key: string, registries: readonly string[]): MergeRule {
  if (text === 'error' || text === 'union') return { kind: text }
  const [kind, registry = ''] = text.split(':')
  if (kind === 'prefer' && registries.includes(registry)) return { kind, registry }
  const problem = kind === 'prefer' ? `${text} names no registry of this server` : `${text} is no merge rule`
  throw new MeshError('WEFT_CONFIG_INVALID', `${key}: ${problem}`, {
    fields: { key, registries },
    next: 'use error, union, or prefer:<registry>',
  })
}
