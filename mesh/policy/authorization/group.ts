import type { AuthorizationPolicySpec, Policy, PolicyConfig } from '../../model/policy.ts'
import type { Verdict } from '../call.ts'
import { createPrincipalText } from './principals.ts'
import { type Action, type CompiledRule, compileRule, createRuleContext, type RuleContext } from './rule.ts'
import { createRuleIndex, namedCallers, type RuleIndex } from './rule-index.ts'
import { answer } from './verdicts.ts'

/** The rules of all policies of one action. */
export interface Group {
  readonly policyCount: number
  readonly index: RuleIndex<DecidingRule>
}

export interface Groups {
  readonly deny: Group
  readonly allow: Group
  readonly audit: Group
}

/** A rule with the answer that is given when it decides. */
interface DecidingRule extends CompiledRule {
  readonly verdict: Verdict
}

/** Policies by their action, in the order they come in. */
export function createGroups(
  policies: readonly Policy<AuthorizationPolicySpec>[],
  trust: Pick<PolicyConfig, 'trustDomain' | 'trustDomainAliases'>,
  protocol: 'http' | 'tcp',
): Groups {
  const principalText = createPrincipalText()
  const contexts = new Map<string, RuleContext>()
  const contextOf = (namespace: string) => {
    const known = contexts.get(namespace) ?? createRuleContext({ namespace, trust, principalText }, protocol)
    contexts.set(namespace, known)
    return known
  }
  return {
    deny: createGroup(policies, 'DENY', contextOf),
    allow: createGroup(policies, 'ALLOW', contextOf),
    audit: createGroup(policies, 'AUDIT', contextOf),
  }
}

function createGroup(
  policies: readonly Policy<AuthorizationPolicySpec>[],
  action: Action,
  contextOf: (namespace: string) => RuleContext,
): Group {
  const own = policies.filter(({ spec }) => (spec.action ?? 'ALLOW') === action)
  const isAllow = action === 'ALLOW'
  const rules = own.flatMap(policy => {
    const context = contextOf(policy.namespace)
    return (policy.spec.rules ?? []).map((written, at) => ({
      callers: namedCallers(written, policy.namespace),
      prepare(): DecidingRule {
        const rule = compileRule(policy, written, at, context)
        return { ...rule, verdict: answer(isAllow, isAllow ? 'allowed' : 'denied', rule.ref) }
      },
    }))
  })
  return { policyCount: own.length, index: createRuleIndex(rules) }
}
