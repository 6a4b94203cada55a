import type { AuthorizationRule } from '../../model/policy.ts'
import type { PolicyCall } from '../call.ts'
import { type CompiledRule, ruleMatches } from './rule.ts'
import { parseServiceAccount } from './source-attributes.ts'

/** Rules in their order, found by who calls, each prepared when it is first looked at. */
export interface RuleIndex<Rule extends CompiledRule> {
  /** The first that matches. Rules that name only other callers cost nothing. */
  first(call: PolicyCall): Rule | undefined
  all(): readonly Rule[]
}

/** A caller that a rule is about; without an account, all of its namespace. */
export interface NamedCaller {
  readonly namespace: string
  readonly account: string | undefined
}

export interface IndexedRule<Rule extends CompiledRule> {
  /** Undefined when the rule does not say it by exact names. */
  readonly callers: readonly NamedCaller[] | undefined
  prepare(): Rule
}

export function createRuleIndex<Rule extends CompiledRule>(rules: readonly IndexedRule<Rule>[]): RuleIndex<Rule> {
  const places = rules.map((written, order): Place<Rule> => ({ order, written, rule: undefined }))
  const forAll: Place<Rule>[] = []
  const byNamespace = new Map<string, NamespaceRules<Rule>>()
  for (const place of places) {
    const { callers } = place.written
    if (callers === undefined) forAll.push(place)
    for (const { namespace, account } of callers ?? []) {
      const known = byNamespace.get(namespace)
      const found = known ?? { forAll: [], byAccount: new Map<string, Place<Rule>[]>() }
      if (known === undefined) byNamespace.set(namespace, found)
      if (account === undefined) addOnce(found.forAll, place)
      else addOnce(placesOf(found.byAccount, account), place)
    }
  }
  return {
    all: () => places.map(prepared),
    first(call) {
      const { peer } = call
      let best = firstOf(forAll, call, undefined)
      const named = peer === undefined ? undefined : byNamespace.get(peer.namespace)
      if (peer === undefined || named === undefined) return best?.rule
      best = firstOf(named.forAll, call, best)
      return firstOf(named.byAccount.get(peer.serviceAccount), call, best)?.rule
    },
  }
}

/** Who may be meant by a rule, as far as its `from` says it by exact names. */
export function namedCallers({ from }: AuthorizationRule, policyNamespace: string): readonly NamedCaller[] | undefined {
  if (from === undefined || from.length === 0) return undefined
  const callers: NamedCaller[] = []
  for (const { source } of from) {
    const named =
      callersOf(source.principals, principalCaller) ??
      callersOf(source.serviceAccounts, text => accountCaller(text, policyNamespace)) ??
      callersOf(source.namespaces, namespaceCaller)
    if (named === undefined) return undefined
    callers.push(...named)
  }
  return callers
}

interface Place<Rule extends CompiledRule> {
  readonly order: number
  readonly written: IndexedRule<Rule>
  rule: Rule | undefined
}

interface NamespaceRules<Rule extends CompiledRule> {
  readonly forAll: Place<Rule>[]
  readonly byAccount: Map<string, Place<Rule>[]>
}

function prepared<Rule extends CompiledRule>(place: Place<Rule>): Rule {
  place.rule ??= place.written.prepare()
  return place.rule
}

function placesOf<Rule extends CompiledRule>(byAccount: Map<string, Place<Rule>[]>, account: string): Place<Rule>[] {
  const known = byAccount.get(account)
  if (known !== undefined) return known
  const places: Place<Rule>[] = []
  byAccount.set(account, places)
  return places
}

/** The places of one rule are added one after another. */
function addOnce<Rule extends CompiledRule>(places: Place<Rule>[], place: Place<Rule>): void {
  if (places.at(-1) !== place) places.push(place)
}

/** The first that matches, unless another one stands before it. */
function firstOf<Rule extends CompiledRule>(
  places: readonly Place<Rule>[] | undefined,
  call: PolicyCall,
  best: Place<Rule> | undefined,
): Place<Rule> | undefined {
  if (places === undefined) return best
  for (const place of places) {
    if (best !== undefined && place.order > best.order) return best
    if (ruleMatches(place.rule ?? prepared(place), call)) return place
  }
  return best
}

function callersOf(
  values: readonly string[] | undefined,
  read: (value: string) => NamedCaller | undefined,
): readonly NamedCaller[] | undefined {
  if (values === undefined || values.length === 0) return undefined
  const callers = values.map(read)
  return callers.every(caller => caller !== undefined) ? callers : undefined
}

/** Whatever its trust domain is: names are all that is looked up, the rule itself is asked after that. */
function principalCaller(text: string): NamedCaller | undefined {
  const [, ns, namespace = '', sa, account = '', ...rest] = text.split('/')
  if (ns !== 'ns' || sa !== 'sa' || rest.length > 0) return undefined
  return isExact(namespace) && isExact(account) ? { namespace, account } : undefined
}

function accountCaller(text: string, policyNamespace: string): NamedCaller | undefined {
  const account = parseServiceAccount(text, policyNamespace)
  return account === undefined ? undefined : { namespace: account.namespace, account: account.name }
}

function namespaceCaller(namespace: string): NamedCaller | undefined {
  return isExact(namespace) ? { namespace, account: undefined } : undefined
}

function isExact(text: string): boolean {
  return text !== '' && !text.includes('*')
}
