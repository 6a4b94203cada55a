import type { Config, DestinationRuleSpec, TrafficPolicySpec } from '../model/traffic.ts'
import { fullHost, ofNames } from './hosts.ts'
import { byAge, exportSet, isExportedTo, selectsLabels } from './visibility.ts'
import type { RoutingClient } from './world.ts'

type Labels = Readonly<Record<string, string>>
type Subset = NonNullable<DestinationRuleSpec['subsets']>[number]

/** One DestinationRule, or several of one host and namespace that Istio takes together. */
export interface MergedRule {
  readonly namespace: string
  /** Full name or wildcard. */
  readonly host: string
  /** `<namespace>/<name>` of all that went in, the one that counts most first. */
  readonly from: readonly string[]
  readonly exports: ReadonlySet<string>
  /** Absent where the rule holds for all workloads. */
  readonly selector: Labels | undefined
  readonly subsets: readonly Subset[]
  readonly trafficPolicy: TrafficPolicySpec | undefined
}

/** A destination as DestinationRules are looked up for it. */
export interface RuleTarget {
  /** Its full name, then others that a rule about it may use. */
  readonly names: readonly string[]
  /** The namespace of the service. */
  readonly namespace: string
}

export interface DestinationRules {
  /**
   * The rule that holds for calls of this client to a host: the first of the client's namespace, the service's and the
   * root namespace that has a rule with a fitting host. Within it only the most specific host counts: where that is not
   * exported to the client the next namespace is asked, and where it selects other workloads no rule holds at all (Istio
   * push_context.go).
   */
  outbound(client: RoutingClient, target: RuleTarget): MergedRule | undefined
  /** The rule whose connection pool holds for what a workload receives; rules with a selector are for calls only. */
  inbound(namespace: string, target: RuleTarget): MergedRule | undefined
}

type ByHost = Map<string, MergedRule[]>
type ByNamespace = Map<string, ByHost>

/** Indexes all DestinationRules of a mesh. */
export function createDestinationRules(
  configs: readonly Config<DestinationRuleSpec>[],
  rootNamespace: string,
  domain: string,
): DestinationRules {
  /** For clients of the rule's own namespace. */
  const local: ByNamespace = new Map()
  /** For clients elsewhere. */
  const exported: ByNamespace = new Map()
  /** Of the root namespace, for nobody else. */
  const rootOnly: ByNamespace = new Map()

  for (const config of configs.toSorted(byAge)) {
    const { namespace } = config
    const rule = single(config, domain)
    const isPrivate = rule.exports.size === 1 && rule.exports.has(namespace)
    if (isExportedTo(rule.exports, namespace)) add(local, rule)
    if (!isPrivate) add(exported, rule)
    else if (namespace === rootNamespace) add(rootOnly, rule)
  }

  function find(namespace: string, target: RuleTarget): readonly MergedRule[] {
    // a client of the root namespace starts with what is nobody else's: the rest there is meant for the whole mesh
    const own = namespace === rootNamespace ? rootOnly : local
    const first = lookUp(own, namespace, target.names)
    if (first !== undefined) return first
    for (const owner of [target.namespace, rootNamespace]) {
      const visible = lookUp(exported, owner, target.names)?.filter(({ exports }) => isExportedTo(exports, namespace))
      if (visible !== undefined && visible.length > 0) return visible
    }
    return []
  }

  const ofAll = (rules: readonly MergedRule[]) => rules.findLast(({ selector }) => selector === undefined)
  return {
    outbound(client, target) {
      const rules = find(client.namespace, target)
      const own = rules.find(
        ({ namespace, selector }) =>
          selector !== undefined && namespace === client.namespace && selectsLabels(selector, client.labels),
      )
      return own ?? ofAll(rules)
    },
    inbound: (namespace, target) => ofAll(find(namespace, target)),
  }
}

function lookUp(rules: ByNamespace, namespace: string, names: readonly string[]): readonly MergedRule[] | undefined {
  const byHost = rules.get(namespace)
  return byHost === undefined ? undefined : ofNames(names, byHost, byHost)
}

function single({ namespace, name, spec }: Config<DestinationRuleSpec>, domain: string): MergedRule {
  const selector = spec.workloadSelector
  return {
    namespace,
    host: fullHost(spec.host.toLowerCase(), namespace, domain),
    from: [`${namespace}/${name}`],
    // a rule for some workloads is for those of its namespace, whatever it exports
    exports: selector === undefined ? exportSet(spec.exportTo, namespace) : new Set([namespace]),
    selector: selector === undefined ? undefined : (selector.matchLabels ?? {}),
    subsets: spec.subsets ?? [],
    trafficPolicy: spec.trafficPolicy,
  }
}

/** Adds a younger rule: into those of its host that it may be merged with, else beside them. */
function add(rules: ByNamespace, rule: MergedRule): void {
  const byHost: ByHost = rules.get(rule.namespace) ?? new Map()
  rules.set(rule.namespace, byHost)
  const known = byHost.get(rule.host) ?? []
  byHost.set(rule.host, known)
  let isSeparate = true
  for (const [index, existing] of known.entries()) {
    const bothSelect = existing.selector !== undefined && rule.selector !== undefined
    if (bothSelect && !isSameSelector(existing.selector, rule.selector)) continue
    if (!mayMerge(existing, rule)) continue
    known[index] = merge(existing, rule)
    if ((existing.selector === undefined) === (rule.selector === undefined)) isSeparate = false
  }
  if (isSeparate) known.push(rule)
}

function mayMerge(existing: MergedRule, rule: MergedRule): boolean {
  const { exports } = existing
  if (exports.size === 0) return rule.exports.size === 0
  return exports.isSubsetOf(rule.exports)
}

function merge(existing: MergedRule, rule: MergedRule): MergedRule {
  const names = new Set(existing.subsets.map(({ name }) => name))
  return {
    ...existing,
    from: [...existing.from, ...rule.from],
    subsets: [...existing.subsets, ...rule.subsets.filter(({ name }) => !names.has(name))],
    trafficPolicy: existing.trafficPolicy ?? rule.trafficPolicy,
  }
}

function isSameSelector(a: Labels | undefined, b: Labels | undefined): boolean {
  const keys = Object.keys(a ?? {})
  return keys.length === Object.keys(b ?? {}).length && selectsLabels(a, b ?? {})
}
