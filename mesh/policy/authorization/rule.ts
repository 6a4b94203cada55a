import type { AuthorizationPolicySpec, AuthorizationRule, Policy } from '../../model/policy.ts'
import type { PolicyCall, RuleRef } from '../call.ts'
import type { Attribute, AttributeContext, CallMatcher } from './attribute.ts'
import { conditionAttribute } from './condition-attributes.ts'
import { operationAttributes } from './operation-attributes.ts'
import { sourceAttributes } from './source-attributes.ts'

export type Action = NonNullable<AuthorizationPolicySpec['action']>

/** One field of a rule, prepared. */
export interface Test {
  /** Path in the policy: `rules[0].from[1].source.notPrincipals`. */
  readonly field: string
  readonly values: readonly string[]
  readonly isNegated: boolean
  readonly attribute: Attribute
  /** Whether the call is as the field says; for a `not` field, that it has none of the values. */
  readonly holds: CallMatcher
}

/** Tests that must all hold. */
export type Alternative = readonly Test[]

/** A rule, prepared for one kind of port. */
export interface CompiledRule {
  readonly ref: RuleRef
  readonly action: Action
  readonly isDryRun: boolean
  /** One of them must hold; none means that all do. */
  readonly sources: readonly Alternative[]
  readonly operations: readonly Alternative[]
  readonly conditions: Alternative
  /**
   * Fields that cannot be enforced here: those of requests on a TCP port, and those with keys or values that mean
   * nothing. An ALLOW rule with any never matches; a DENY or AUDIT rule is judged without them, and so matches more.
   */
  readonly unenforceable: readonly string[]
}

/** What rules of one namespace are prepared with. */
export interface RuleContext extends AttributeContext {
  readonly protocol: 'http' | 'tcp'
  readonly sources: Readonly<Record<string, Attribute>>
}

export function createRuleContext(context: AttributeContext, protocol: 'http' | 'tcp'): RuleContext {
  return { ...context, protocol, sources: sourceAttributes(context) }
}

/** Prepares rule `index` of a policy. */
export function compileRule(
  policy: Policy<AuthorizationPolicySpec>,
  rule: AuthorizationRule,
  index: number,
  context: RuleContext,
): CompiledRule {
  const compile = createCompiler(policy.spec.action ?? 'ALLOW', context)
  const path = `rules[${index}]`
  return {
    ref: Object.freeze({ policy: `${policy.namespace}/${policy.name}`, rule: index }),
    action: policy.spec.action ?? 'ALLOW',
    isDryRun: policy.dryRun,
    sources: (rule.from ?? []).map(({ source }, at) =>
      compile.fields(`${path}.from[${at}].source`, Object.entries(source), context.sources),
    ),
    operations: (rule.to ?? []).map(({ operation }, at) =>
      compile.fields(`${path}.to[${at}].operation`, Object.entries(operation), operationAttributes),
    ),
    conditions: (rule.when ?? []).flatMap(({ key, values, notValues }, at) => {
      const attribute = conditionAttribute(key, context)
      const written = [...test(values, false), ...test(notValues, true)]
      return compile.all(
        `${path}.when[${at}]`,
        written.map(one => ({ ...one, attribute })),
      )
    }),
    unenforceable: compile.unenforceable,
  }
}

/** Whether a call is one of those that the rule is about. */
export function ruleMatches(rule: CompiledRule, call: PolicyCall): boolean {
  if (rule.unenforceable.length > 0 && rule.action === 'ALLOW') return false
  return (
    oneHolds(rule.sources, call) && oneHolds(rule.operations, call) && firstFailing(rule.conditions, call) === undefined
  )
}

/** The first test that does not hold; undefined when all do. */
export function firstFailing(alternative: Alternative, call: PolicyCall): Test | undefined {
  for (const test of alternative) if (!test.holds(call)) return test
  return undefined
}

function oneHolds(alternatives: readonly Alternative[], call: PolicyCall): boolean {
  for (const alternative of alternatives) if (firstFailing(alternative, call) === undefined) return true
  return alternatives.length === 0
}

interface Written {
  readonly name: string
  readonly values: readonly string[]
  readonly isNegated: boolean
}

function test(values: readonly string[] | undefined, isNegated: boolean): Written[] {
  return values === undefined || values.length === 0
    ? []
    : [{ name: isNegated ? 'notValues' : 'values', values, isNegated }]
}

function createCompiler(action: Action, { protocol }: RuleContext) {
  const unenforceable: string[] = []
  const isWider = action !== 'ALLOW'

  function all(path: string, fields: readonly (Written & { attribute: Attribute | undefined })[]): Alternative {
    // an alternative without fields would be everything, though nobody has said so
    if (fields.length === 0) unenforceable.push(path)
    return fields.flatMap(({ name, values, isNegated, attribute }) => {
      const field = `${path}.${name}`
      const matches = attribute?.isHttp === true && protocol === 'tcp' ? undefined : attribute?.compile(values)
      if (attribute === undefined || matches === undefined) {
        unenforceable.push(field)
        return []
      }
      return [{ field, values, isNegated, attribute, holds: holder(attribute, matches, isNegated) }]
    })
  }

  /** What is asked of requests and judged without one: as little is let through as can be. */
  function holder({ isHttp }: Attribute, matches: CallMatcher, isNegated: boolean): CallMatcher {
    if (isHttp) return call => (call.request === undefined ? isWider : matches(call) !== isNegated)
    return isNegated ? call => !matches(call) : matches
  }

  return {
    unenforceable,
    all,
    fields(
      path: string,
      entries: readonly (readonly [string, readonly string[] | undefined])[],
      attributes: Readonly<Record<string, Attribute>>,
    ): Alternative {
      return all(
        path,
        entries.flatMap(([name, values = []]) => {
          if (values.length === 0) return []
          const isNegated = /^not[A-Z]/.test(name)
          const positive = isNegated ? `${name.charAt(3).toLowerCase()}${name.slice(4)}` : name
          return [{ name, values, isNegated, attribute: attributes[positive] }]
        }),
      )
    },
  }
}
