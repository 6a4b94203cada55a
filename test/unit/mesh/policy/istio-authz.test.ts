import t from 'tap'
import { compileAuthorization } from '../../../../mesh/policy/authorization.ts'
import { authzQuestion, judgedAuthzCases, parsePolicy } from '../../../support/istio-authz.ts'
import { authzCases, rejectedAuthz } from '../../../support/istio-recordings.ts'

t.test('every recorded call is judged as Istio judged it', async t => {
  const cases = judgedAuthzCases()
  const different = cases.filter(recorded => {
    const { config, target, call } = authzQuestion(recorded)
    return compileAuthorization(config, target).judge(call).allowed !== recorded.result.allow
  })
  t.same(
    different.map(({ id }) => id),
    [],
  )
  t.equal(cases.length, 4168)
})

t.test('left out is only what was refused before any policy was asked', async t => {
  const judged = new Set(judgedAuthzCases().map(({ id }) => id))
  const rest = authzCases().filter(recorded => !judged.has(recorded.id))
  const malformed = rest.filter(({ result }) => result.connection === undefined)
  t.same(new Set(malformed.map(({ request }) => request?.method)), new Set(['get']))
  const strangers = rest.filter(({ result }) => result.connection === 'failed')
  t.same(new Set(strangers.map(({ topic }) => topic)), new Set(['trust-domain']))
  t.equal(rest.length, malformed.length + strangers.length)
})

t.test('a rule explains its verdict on every recorded call', async t => {
  for (const recorded of judgedAuthzCases()) {
    const { config, target, call } = authzQuestion(recorded)
    const authorization = compileAuthorization(config, target)
    const { reason, by, allowed } = authorization.judge(call)
    const inForce = authorization.explain(call).filter(rule => !rule.isDryRun)
    const first = (action: string) => inForce.find(rule => rule.action === action && rule.matches)?.rule
    if (by !== undefined) t.same(by, first(allowed ? 'ALLOW' : 'DENY'), recorded.id)
    else t.notOk(first('DENY') ?? (reason === 'no-allow-matched' && first('ALLOW')), recorded.id)
    for (const rule of inForce) {
      const isDropped = rule.action === 'ALLOW' && rule.unenforceable.length > 0
      t.equal(rule.matches, rule.misses.length === 0 && !isDropped, recorded.id)
    }
  }
})

t.test('what Istio refuses to take never allows a call that it could have been meant to refuse', async t => {
  const [recorded] = judgedAuthzCases()
  if (recorded === undefined) throw new Error('no cases')
  const { config, target, call } = authzQuestion(recorded)
  for (const { set, policies } of rejectedAuthz()) {
    const authorization = policies.map(parsePolicy)
    const isAllow = authorization.some(({ spec }) => spec.action === 'ALLOW' || spec.action === undefined)
    const verdict = compileAuthorization({ ...config, authorization }, target).judge(call)
    if (isAllow && set !== 'multi-466') t.notOk(verdict.allowed, set)
  }
})
