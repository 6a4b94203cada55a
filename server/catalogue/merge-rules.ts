import { MeshError } from '../../mesh/std/errors.ts'

/** What holds when several registries speak of the same service. */
export type MergeRule =
  | { readonly kind: 'error' }
  | { readonly kind: 'union' }
  | { readonly kind: 'prefer'; readonly registry: string }

export interface MergeRules {
  readonly default: MergeRule
  /** Exceptions, by service key. */
  readonly services: ReadonlyMap<string, MergeRule>
}

/** The rules as they stand in the configuration. */
export interface MergeRulesText {
  readonly rule: string
  /** `<namespace>/<service>=<rule>` */
  readonly services: readonly string[]
}

/**
 * Reads the rules: `error`, `union`, or `prefer:<registry>` with a registry that exists. Throws WEFT_CONFIG_INVALID
 * naming the rule that is wrong.
 */
export function parseMergeRules(text: MergeRulesText, registries: readonly string[]): MergeRules {
  const services = new Map<string, MergeRule>()
  for (const exception of text.services) {
    const [, key, rule] = /^([^/=\s]+\/[^/=\s]+)=(.+)$/.exec(exception) ?? []
    if (key === undefined || rule === undefined) {
      throw new MeshError('WEFT_CONFIG_INVALID', `merge.services: ${exception} is not <namespace>/<service>=<rule>`)
    }
    services.set(key, parseMergeRule(rule, 'merge.services', registries))
  }
  return { default: parseMergeRule(text.rule, 'merge.rule', registries), services }
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
