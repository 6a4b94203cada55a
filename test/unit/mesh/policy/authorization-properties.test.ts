import fc from 'fast-check'
import t from 'tap'
import type { AuthorizationPolicySpec, Policy } from '../../../../mesh/model/policy.ts'
import { compileAuthorization } from '../../../../mesh/policy/authorization.ts'
import type { PolicyCall } from '../../../../mesh/policy/call.ts'
import { naivelyAllowed, naivelyMatches } from '../../../support/naive-authorization.ts'
import { anyCall, anyPolicies, anyPolicy, anyRule } from '../../../support/policy-arbitraries.ts'
import { ledger, policy, policyConfig } from '../../../support/policy-calls.ts'

const options = { numRuns: 4000, seed: 20 }

function judge(policies: readonly Policy<AuthorizationPolicySpec>[], call: PolicyCall) {
  return compileAuthorization(policyConfig(policies), ledger).judge(call)
}

t.test('a rule matches what the naive reading of it matches, and both answers are frequent', async t => {
  let matched = 0
  fc.assert(
    fc.property(anyRule, anyCall, (rule, call) => {
      const expected = naivelyMatches(rule, call)
      if (expected) matched += 1
      return judge([policy({ action: 'DENY', rules: [rule] })], call).allowed !== expected
    }),
    options,
  )
  t.ok(matched > options.numRuns / 10 && matched < (options.numRuns * 9) / 10, `${matched}`)
})

t.test('all policies together answer as the naive reading of them', async t => {
  fc.assert(
    fc.property(
      anyPolicies,
      anyCall,
      (policies, call) => judge(policies, call).allowed === naivelyAllowed(policies, call),
    ),
    options,
  )
  t.pass()
})

t.test('another DENY never lets more through', async t => {
  fc.assert(
    fc.property(anyPolicies, anyPolicy('DENY'), anyCall, (policies, deny, call) => {
      return judge(policies, call).allowed || !judge([...policies, deny], call).allowed
    }),
    options,
  )
  t.pass()
})

t.test('another ALLOW never cuts off an allowed caller, once there is one', async t => {
  fc.assert(
    fc.property(anyPolicies, anyPolicy('ALLOW'), anyPolicy('ALLOW'), anyCall, (policies, first, second, call) => {
      const before = [...policies, first]
      return !judge(before, call).allowed || judge([...before, second], call).allowed
    }),
    options,
  )
  t.pass()
})

t.test('AUDIT and dry-run policies change no answer', async t => {
  fc.assert(
    fc.property(anyPolicies, anyPolicies, anyPolicy('AUDIT'), anyCall, (policies, others, audit, call) => {
      const dry = others.map(one => ({ ...one, dryRun: true }))
      const { allowed, reason, by } = judge(policies, call)
      const more = judge([...dry, ...policies, audit], call)
      return more.allowed === allowed && more.reason === reason && more.by?.rule === by?.rule
    }),
    options,
  )
  t.pass()
})

t.test('a dry run says what is answered once the policies are in force', async t => {
  fc.assert(
    fc.property(anyPolicies, anyPolicies, anyCall, (policies, others, call) => {
      const now = judge([...policies, ...others.map(one => ({ ...one, dryRun: true }))], call)
      return (now.dryRun ?? now).allowed === judge([...policies, ...others], call).allowed
    }),
    options,
  )
  t.pass()
})

t.test('an explanation has a miss for every rule that does not match', async t => {
  fc.assert(
    fc.property(anyPolicies, anyCall, (policies, call) =>
      compileAuthorization(policyConfig(policies), ledger)
        .explain(call)
        .every(({ matches, misses }) => matches === (misses.length === 0)),
    ),
    options,
  )
  t.pass()
})
