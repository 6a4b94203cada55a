import type { Config, VirtualServiceSpec } from '../model/traffic.ts'
import { describeResource } from '../resources/resource.ts'
import type { VirtualService } from '../resources/virtual-service.ts'
import { delegatedRules, delegateName, findDelegate, isDelegate } from '../routing/delegates.ts'
import { didYouMean } from '../std/did-you-mean.ts'
import { type AnalyzedWorld, type Finding, virtualServicesOf } from './finding.ts'

type Path = Finding['path']
type Written = VirtualService['spec']['http']

/** Most matches that a rule with a delegate may come to: each of the delegate's is held to each of the root's. */
const maxMatches = 10_000

/** A rule that delegates, and where to. */
interface Reference {
  readonly root: VirtualService
  readonly index: number
  /** `<namespace>/<name>` */
  readonly name: string
  readonly path: Path
}

/** Finds rules whose delegate cannot be used, rules of delegates that are never used, and delegates nobody names. */
export function delegateFindings(world: AnalyzedWorld): Finding[] {
  const all = virtualServicesOf(world.resources)
  const byName = new Map<string, VirtualService>(
    all.map(one => [`${one.metadata.namespace}/${one.metadata.name}`, one]),
  )
  const configs = new Map([...byName].map(([name, one]) => [name, configOf(one)] as const))
  const references = all.filter(({ spec }) => !isDelegate(spec)).flatMap(referencesOf)
  return [
    ...references.flatMap((reference): Finding[] => {
      const { root, name } = reference
      const found = findDelegate(name, root.metadata.namespace, configs)
      const delegate = byName.get(name)
      if (delegate === undefined || found.kind === 'unknown') return [unknown(reference, delegateNames(all))]
      if (found.kind !== 'found') return [unusable(reference, delegate, found.kind)]
      return isTooMuch(reference, delegate)
        ? [tooMuch(reference, delegate)]
        : conflicts(reference, delegate, world.domain)
    }),
    ...unused(all, references, world),
  ]
}

function referencesOf(root: VirtualService): Reference[] {
  return (root.spec.http ?? []).flatMap(({ delegate }, index): Reference[] => {
    if (delegate === undefined) return []
    const path = ['spec', 'http', index, 'delegate', ...(delegate.name === undefined ? [] : ['name'])]
    return [{ root, index, name: delegateName(delegate, root.metadata.namespace), path }]
  })
}

function delegateNames(all: readonly VirtualService[]): readonly string[] {
  return all.filter(({ spec }) => isDelegate(spec)).map(({ metadata }) => `${metadata.namespace}/${metadata.name}`)
}

function unknown({ root, name, path }: Reference, names: readonly string[]): Finding {
  const message = `${name} is no VirtualService that is known: the rule does nothing until it is there`
  return warn({ code: 'unknown-delegate', resource: root, path, message, suggestion: didYouMean(name, names) })
}

function unusable({ root, path }: Reference, other: VirtualService, kind: 'has-hosts' | 'not-exported'): Finding {
  const why =
    kind === 'has-hosts'
      ? 'has hosts, and rules can be delegated only to one without: the rule does nothing'
      : `is not exported to ${root.metadata.namespace}: the rule does nothing until its exportTo says so`
  return warn({ code: 'unknown-delegate', resource: root, other, path, message: `${describeResource(other)} ${why}` })
}

function isTooMuch({ root, index }: Reference, { spec }: VirtualService): boolean {
  const size = (rules: Written) => (rules ?? []).reduce((sum, { match = [] }) => sum + Math.max(1, match.length), 0)
  return size(root.spec.http?.slice(index, index + 1)) * size(spec.http) > maxMatches
}

function tooMuch({ root, path }: Reference, other: VirtualService): Finding {
  const message = `comes to more than ${maxMatches} matches with those of ${describeResource(other)}, write fewer in one of the two`
  return { severity: 'error', code: 'delegate-limit', resource: root, other, path, message }
}

/** Each is said at the rule that is never used, and once at the rule that delegates. */
function conflicts({ root, index, path }: Reference, delegate: VirtualService, domain: string): Finding[] {
  const rule = root.spec.http?.[index]
  if (rule === undefined) return []
  const rules = delegatedRules(rule, root.metadata.namespace, configOf(delegate), domain)
  const lost = rules.flatMap((one, at) => (one.kind === 'conflict' ? [{ ...one, at }] : []))
  if (lost.length === 0) return []
  const found = lost.map(({ at, match, why }): Finding => {
    const message = `keeps the rule from being used by http[${index}] of ${describeResource(root)}: ${why}`
    const place = ['spec', 'http', at, 'match', match]
    return warn({ code: 'delegate-conflict', resource: delegate, other: root, path: place, message })
  })
  const which = lost.length === rules.length ? 'no rule' : lost.map(({ at }) => `http[${at}]`).join(', ')
  const verb = lost.length === rules.length ? 'can be used here' : 'cannot be used here'
  const why = lost.map(one => `http[${one.at}].match[${one.match}]: ${one.why}`).join('; ')
  const message = `of ${describeResource(delegate)} ${which} ${verb}: ${why}`
  return [...found, warn({ code: 'delegate-conflict', resource: root, other: delegate, path, message })]
}

/** Of files alone nothing is said where none of them delegates: who does may stand in another one. */
function unused(all: readonly VirtualService[], references: readonly Reference[], world: AnalyzedWorld): Finding[] {
  if (world.services === undefined && references.length === 0) return []
  const named = new Set(references.map(({ name }) => name))
  return all.flatMap((resource): Finding[] => {
    const { namespace, name } = resource.metadata
    if (!isDelegate(resource.spec) || named.has(`${namespace}/${name}`)) return []
    const message = 'has no hosts and nobody delegates to it: it does nothing until a rule names it as delegate'
    return [warn({ code: 'unused-delegate', resource, path: ['metadata', 'name'], message })]
  })
}

function configOf({ metadata, spec }: VirtualService): Config<VirtualServiceSpec> {
  return { namespace: metadata.namespace, name: metadata.name, createdAt: 0, spec }
}

function warn(finding: Omit<Finding, 'severity'>): Finding {
  return { severity: 'warning', ...finding }
}
