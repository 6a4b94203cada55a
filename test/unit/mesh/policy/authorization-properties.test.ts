import fc from 'fast-check'
import t from 'tap'
import type { AuthorizationPolicySpec, Policy } from '../../../../mesh/model/policy.ts'
import { compileAuthorization } from '../../../../mesh/policy/authorization.ts'
import type { PolicyCall } from '../../../../mesh/policy/call.ts'
import { naivelyAllowed, naivelyMatches, naivelyOnTcp } from '../../../support/naive-authorization.ts'
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

t.test('connections are judged as the naive reading of what is left of the policies there', async t => {
  fc.assert(
    fc.property(anyPolicies, anyCall, (policies, { request: _, ...call }) => {
      const connection = { ...call, request: undefined }
      const target = { ...ledger, protocol: 'tcp' } as const
      const { allowed } = compileAuthorization(policyConfig(policies), target).judge(connection)
      return allowed === naivelyAllowed(naivelyOnTcp(policies), connection)
    }),
    options,
  )
  t.pass()
})

t.test('on a port of connections no ALLOW lets more through than for some request', async t => {
  fc.assert(
    fc.property(anyPolicy('ALLOW'), anyCall, (allow, call) => {
      const target = { ...ledger, protocol: 'tcp' } as const
      const connection = { ...call, request: undefined }
      const ofBytes = { ...call, request: call.request && { ...call.request, remoteIp: call.sourceIp } }
      return (
        !compileAuthorization(policyConfig([allow]), target).judge(connection).allowed ||
        judge([allow], ofBytes).allowed
      )
    }),
    options,
  )
  t.pass()
})

t.test('values of any form are judged without an error', async t => {
  const texts = fc.array(
    fc.oneof(fc.string(), fc.constantFrom('*', '**', '{*}', '/{**}/{*}', '::/0', '1.2.3.4/99', '][')),
  )
  const fields = (...names: readonly string[]) =>
    fc.record(Object.fromEntries(names.map(name => [name, texts])), { requiredKeys: [] })
  const rules = fc.record(
    {
      from: fc.array(
        fields('principals', 'notNamespaces', 'serviceAccounts', 'ipBlocks', 'requestPrincipals', 'trustDomains').map(
          source => ({ source }),
        ),
      ),
      to: fc.array(fields('hosts', 'notPaths', 'paths', 'ports', 'notMethods').map(operation => ({ operation }))),
      when: fc.array(
        fc.record({
          key: fc.oneof(
            fc.string(),
            fc.string().map(name => `request.headers[${name}]`),
            fc.string().map(name => `request.auth.claims[${name}]`),
            fc.constantFrom('source.ip', 'source.serviceAccount', 'destination.port'),
          ),
          values: texts,
          notValues: texts,
        }),
      ),
    },
    { requiredKeys: [] },
  )
  const claims = fc.dictionary(fc.string(), fc.jsonValue())
  fc.assert(
    fc.property(rules, claims, fc.string(), anyCall, (rule, claims, address, call) => {
      const strange = {
        ...call,
        sourceIp: address,
        request: call.request && { ...call.request, remoteIp: address, token: { principal: undefined, claims } },
      }
      for (const action of ['ALLOW', 'DENY'] as const) {
        for (const protocol of ['http', 'tcp'] as const) {
          const config = policyConfig([policy({ action, rules: [rule] })])
          const authorization = compileAuthorization(config, { ...ledger, protocol })
          const [explained] = authorization.explain(strange)
          if (
            action === 'ALLOW' &&
            (explained?.unenforceable.length ?? 0) > 0 &&
            authorization.judge(strange).allowed
          ) {
            return false
          }
        }
      }
      return true
    }),
    { numRuns: 2000, seed: 21 },
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
