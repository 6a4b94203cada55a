import t from 'tap'
import type { AuthorizationPolicySpec, AuthorizationRule, PolicyScope } from '../../../../mesh/model/policy.ts'
import { compileAuthorization } from '../../../../mesh/policy/authorization.ts'
import { type CallText, ledger, policy, policyCall, policyConfig } from '../../../support/policy-calls.ts'

type Action = AuthorizationPolicySpec['action']

const everything: AuthorizationRule = {}
const ofWeb: AuthorizationRule = { from: [{ source: { namespaces: ['web'] } }] }
const ofOps: AuthorizationRule = { from: [{ source: { namespaces: ['ops'] } }] }
const web = policyCall()
const ops = policyCall({ peer: 'cluster.local/ns/ops/sa/admin' })

const named = (name: string, action: Action, rules: readonly AuthorizationRule[] | undefined, dryRun = false) =>
  policy({ action, rules }, { name, dryRun })
const authorize = (...policies: readonly ReturnType<typeof policy>[]) =>
  compileAuthorization(policyConfig(policies), ledger)

t.test('without a policy everything is allowed', async t => {
  const authorization = authorize()
  t.ok(authorization.isEmpty)
  t.same(authorization.judge(web), {
    ...{ allowed: true, reason: 'no-policy', by: undefined, audited: [], dryRun: undefined },
  })
  t.same(authorization.explain(web), [])
})

t.test('DENY goes before ALLOW, and the answer names the rule', async t => {
  const authorization = authorize(named('a', 'ALLOW', [everything]), named('d', 'DENY', [ofOps, ofWeb]))
  t.match(authorization.judge(web), { allowed: false, reason: 'denied', by: { policy: 'bank/d', rule: 1 } })
  t.match(authorization.judge(ops), { allowed: false, reason: 'denied', by: { policy: 'bank/d', rule: 0 } })
  const stranger = policyCall({ peer: null })
  t.match(authorization.judge(stranger), { allowed: true, reason: 'allowed', by: { policy: 'bank/a', rule: 0 } })
})

t.test('once there is an ALLOW policy, one must match; a policy without an action is one', async t => {
  const authorization = authorize(named('a', undefined, [ofOps]))
  t.same(authorization.judge(web).reason, 'no-allow-matched')
  t.equal(authorization.judge(web).by, undefined)
  t.ok(authorization.judge(ops).allowed)
})

t.test('an ALLOW policy without rules allows nothing, a DENY policy without rules denies nothing', async t => {
  for (const rules of [undefined, []]) {
    t.notOk(authorize(named('a', 'ALLOW', rules)).judge(web).allowed)
    t.match(authorize(named('d', 'DENY', rules)).judge(web), { allowed: true, reason: 'allowed', by: undefined })
  }
})

t.test('AUDIT decides nothing and is reported, each rule that matches', async t => {
  const audit = named('w', 'AUDIT', [everything, ofOps, ofWeb])
  const expected = [0, 2].map(rule => ({ policy: 'bank/w', rule }))
  t.match(authorize(audit).judge(web), { allowed: true, reason: 'no-policy', audited: expected })
  t.match(authorize(audit, named('d', 'DENY', [ofWeb])).judge(web), { allowed: false, audited: expected })
})

t.test('the older policy is named first, then the one whose name comes first', async t => {
  const rules = [everything]
  const policies = [
    policy({ action: 'DENY', rules }, { name: 'b', createdAt: 5 }),
    policy({ action: 'DENY', rules }, { name: 'a', createdAt: 5 }),
    policy({ action: 'DENY', rules }, { name: 'z', createdAt: 1 }),
  ]
  t.equal(authorize(...policies).judge(web).by?.policy, 'bank/z')
  t.equal(authorize(...policies.slice(0, 2)).judge(web).by?.policy, 'bank/a')
})

t.test('rules found by who calls are named in the same order', async t => {
  const account: AuthorizationRule = { from: [{ source: { principals: ['cluster.local/ns/web/sa/front'] } }] }
  const orders = [
    [everything, ofWeb, account],
    [ofWeb, account, everything],
    [account, everything, ofWeb],
    [ofOps, account, ofWeb, everything],
  ]
  for (const rules of orders) {
    const first = rules.findIndex(rule => rule !== ofOps)
    t.equal(authorize(named('d', 'DENY', rules)).judge(web).by?.rule, first)
  }
})

t.test('a policy holds for its namespace, its selector and the services it names', async t => {
  const denies = (spec: AuthorizationPolicySpec, namespace = 'bank') =>
    !compileAuthorization(
      policyConfig([policy({ action: 'DENY', rules: [everything], ...spec }, { namespace })]),
      ledger,
    ).judge(web).allowed
  const labels = (matchLabels?: Readonly<Record<string, string>>) => ({ selector: { matchLabels } })
  t.ok(denies({}))
  t.notOk(denies({}, 'web'))
  t.ok(denies({}, 'mesh'), 'the root namespace')
  t.ok(denies(labels({ app: 'ledger' })))
  t.ok(denies(labels({ app: 'ledger' }), 'mesh'))
  t.notOk(denies(labels({ app: 'ledger', version: 'v2' })))
  t.notOk(denies(labels({ app: 'other' }), 'mesh'))
  t.notOk(denies(labels({ toString: 'x' })))
  t.ok(denies(labels({})), 'an empty selector')
  t.ok(denies(labels(undefined)))
  const service = { kind: 'Service', name: 'ledger' }
  t.ok(denies({ targetRef: service }))
  t.ok(denies({ targetRefs: [{ kind: 'Service', name: 'other' }, service] }))
  t.ok(denies({ targetRefs: [{ group: 'networking.istio.io', kind: 'ServiceEntry', name: 'ledger' }] }))
  t.ok(denies({ targetRefs: [{ ...service, namespace: 'bank' }] }))
  t.notOk(denies({ targetRefs: [{ ...service, namespace: 'web' }] }))
  t.notOk(denies({ targetRefs: [{ kind: 'Service', name: 'other' }] }))
  t.notOk(denies({ targetRefs: [{ kind: 'Gateway', name: 'ledger' }] }))
  t.notOk(denies({ targetRefs: [service] }, 'web'))
  t.notOk(denies({ targetRefs: [service] }, 'mesh'), 'services of its own namespace only')
  t.ok(denies({ targetRefs: [] }))
})

t.test('on a TCP port, what only requests have drops an ALLOW rule and widens a DENY rule', async t => {
  const judge = (action: Action, rule: AuthorizationRule, text: CallText = {}) => {
    const config = policyConfig([policy({ action, rules: [rule] })])
    return compileAuthorization(config, { ...ledger, protocol: 'tcp' }).judge(policyCall(text, 'tcp')).allowed
  }
  const methods = { to: [{ operation: { methods: ['GET'] } }] }
  const either = { to: [{ operation: { ports: ['8080'] } }, { operation: { methods: ['GET'] } }] }
  const both = { to: [{ operation: { ports: ['9090'], notPaths: ['/x'] } }] }
  for (const rule of [methods, either]) {
    t.notOk(judge('ALLOW', rule))
    t.notOk(judge('DENY', rule))
  }
  t.ok(judge('DENY', both), 'the port still counts')
  t.notOk(judge('DENY', both, { destinationPort: 9090 }))
  const conditions = [
    'request.headers[x]',
    'request.auth.principal',
    'request.auth.audiences',
    'request.auth.claims[a]',
  ]
  for (const key of [...conditions, 'request.auth.presenter']) {
    for (const value of [{ values: ['x'] }, { notValues: ['x'] }]) {
      t.notOk(judge('ALLOW', { when: [{ key, ...value }] }), key)
      t.notOk(judge('DENY', { when: [{ key, ...value }] }), key)
    }
  }
  for (const field of ['requestPrincipals', 'notRequestPrincipals']) {
    t.notOk(judge('ALLOW', { from: [{ source: { [field]: ['x/y'] } }] }), field)
    t.notOk(judge('DENY', { from: [{ source: { [field]: ['x/y'] } }] }), field)
  }
  const [explained] = compileAuthorization(policyConfig([policy({ rules: [either] })]), {
    ...ledger,
    protocol: 'tcp',
  }).explain(policyCall({}, 'tcp'))
  t.match(explained, { matches: false, unenforceable: ['rules[0].to[1].operation.methods'] })
})

t.test('what means nothing narrows an ALLOW rule and widens a DENY rule, as fields that are not there do', async t => {
  const broken: readonly AuthorizationRule[] = [
    { from: [{ source: { ipBlocks: ['10.0.0.0/8', 'ten'] } }] },
    { from: [{ source: { notIpBlocks: ['10.0.0.0/33'] } }] },
    { from: [{ source: { serviceAccounts: ['a/b/c'] } }] },
    { from: [{ source: {} }] },
    { to: [{ operation: {} }] },
    { to: [{ operation: { notPaths: ['/{**}/{*}'] } }] },
    { to: [{ operation: { ports: ['http'] } }] },
    { when: [{ key: 'request.body', values: ['x'] }] },
    { when: [{ key: 'experimental.envoy.filters.a[b]', notValues: ['x'] }] },
    { when: [{ key: 'request.auth.claims', values: ['x'] }] },
    { when: [{ key: 'request.auth.claims[]', notValues: ['x'] }] },
    { when: [{ key: 'request.headers[]', notValues: ['x'] }] },
    { when: [{ key: 'source.ip' }] },
  ]
  for (const rule of broken) {
    t.notOk(authorize(named('a', 'ALLOW', [rule])).judge(web).allowed, JSON.stringify(rule))
    t.notOk(authorize(named('d', 'DENY', [rule])).judge(web).allowed, JSON.stringify(rule))
    t.equal(authorize(named('w', 'AUDIT', [rule])).judge(web).audited.length, 1, JSON.stringify(rule))
    t.equal(authorize(named('a', 'ALLOW', [rule])).explain(web)[0]?.unenforceable.length, 1, JSON.stringify(rule))
  }
})

t.test('a port of requests that is asked about a connection lets as little through as can be', async t => {
  const connection = policyCall({}, 'tcp')
  for (const operation of [{ methods: ['GET'] }, { notMethods: ['GET'] }, { notPaths: ['/x'] }]) {
    const rules = [{ to: [{ operation }] }]
    t.notOk(authorize(named('a', 'ALLOW', rules)).judge(connection).allowed)
    t.notOk(authorize(named('d', 'DENY', rules)).judge(connection).allowed)
  }
})

t.test('a dry-run policy has no effect, and its answer is given where it would be another one', async t => {
  const cases: readonly (readonly [string, readonly ReturnType<typeof policy>[], boolean, unknown])[] = [
    ['DENY', [named('x', 'DENY', [ofWeb], true)], true, { allowed: false, by: { policy: 'bank/x', rule: 0 } }],
    ['DENY that misses', [named('x', 'DENY', [ofOps], true)], true, undefined],
    ['ALLOW that misses', [named('x', 'ALLOW', [ofOps], true)], true, { allowed: false, by: undefined }],
    ['ALLOW without rules', [named('x', 'ALLOW', [], true)], true, { allowed: false, by: undefined }],
    ['ALLOW that matches', [named('x', 'ALLOW', [ofWeb], true)], true, undefined],
    [
      'ALLOW beside one that misses',
      [named('x', 'ALLOW', [ofWeb], true), named('a', 'ALLOW', [ofOps])],
      false,
      { allowed: true, by: { policy: 'bank/x', rule: 0 } },
    ],
    [
      'ALLOW beside one that matches',
      [named('x', 'ALLOW', [ofOps], true), named('a', 'ALLOW', [ofWeb])],
      true,
      undefined,
    ],
    ['both miss', [named('x', 'ALLOW', [ofOps], true), named('a', 'ALLOW', [ofOps])], false, undefined],
    ['DENY beside a DENY', [named('x', 'DENY', [ofWeb], true), named('d', 'DENY', [ofWeb])], false, undefined],
    ['ALLOW beside a DENY', [named('x', 'ALLOW', [ofWeb], true), named('d', 'DENY', [ofWeb])], false, undefined],
    [
      'DENY beside an ALLOW that misses',
      [named('x', 'DENY', [ofWeb], true), named('a', 'ALLOW', [ofOps])],
      false,
      undefined,
    ],
    [
      'DENY goes before ALLOW',
      [named('x', 'DENY', [ofWeb], true), named('y', 'ALLOW', [ofWeb], true), named('a', 'ALLOW', [ofOps])],
      false,
      undefined,
    ],
    ['AUDIT', [named('x', 'AUDIT', [ofWeb], true)], true, undefined],
  ]
  for (const [name, policies, allowed, dryRun] of cases) {
    const authorization = authorize(...policies)
    const verdict = authorization.judge(web)
    t.ok(authorization.hasDryRun, name)
    t.equal(verdict.allowed, allowed, name)
    t.same(verdict.dryRun, dryRun, name)
    t.same(verdict.audited, [], name)
  }
})

t.test('principals are meant in all of the trust domains', async t => {
  const trust = { trustDomain: 'new.td', trustDomainAliases: ['old.td'] }
  const matches = (principal: string, peer: string) =>
    compileAuthorization(
      policyConfig([policy({ rules: [{ from: [{ source: { principals: [principal] } }] }] })], trust),
      ledger,
    ).judge(policyCall({ peer })).allowed
  for (const td of ['new.td', 'old.td', 'cluster.local', 'old.*', '*.td']) {
    for (const peer of ['new.td', 'old.td']) {
      t.ok(matches(`${td}/ns/web/sa/front`, `${peer}/ns/web/sa/front`), `${td} ${peer}`)
    }
    t.notOk(matches(`${td}/ns/web/sa/front`, 'new.td/ns/web/sa/other'))
  }
  t.notOk(matches('alien.td/ns/web/sa/front', 'new.td/ns/web/sa/front'))
  t.notOk(matches('old.td/ns/web/*', 'new.td/ns/web/sa/front'), 'only what is written in full')
  t.ok(matches('old.td/ns/web/sa/fr*', 'new.td/ns/web/sa/front'))
})

t.test('without AUDIT and dry-run the same answer is the same value, frozen', async t => {
  const authorization = authorize(named('a', 'ALLOW', [ofWeb]), named('d', 'DENY', [ofOps]))
  for (const call of [web, ops, policyCall({ peer: null })]) {
    const verdict = authorization.judge(call)
    t.equal(authorization.judge(call), verdict)
    t.ok(Object.isFrozen(verdict))
  }
})

t.test('an explanation says which field of each alternative did not hold, and what the call had', async t => {
  const rule: AuthorizationRule = {
    from: [{ source: { principals: ['cluster.local/ns/ops/sa/admin'] } }, { source: { notIpBlocks: ['10.0.0.0/8'] } }],
    to: [{ operation: { methods: ['GET'], paths: ['/a'] } }],
    when: [{ key: 'request.headers[x-tier]', notValues: ['gold'] }],
  }
  const call = policyCall({ request: { path: '/b?x=1', headers: ['x-tier', 'silver', 'X-Tier', 'gold'] } })
  t.same(authorize(named('a', 'ALLOW', [rule]), named('d', 'DENY', [ofOps], true)).explain(call), [
    {
      rule: { policy: 'bank/d', rule: 0 },
      action: 'DENY',
      isDryRun: true,
      matches: false,
      misses: [{ field: 'rules[0].from[0].source.namespaces', values: ['ops'], isNegated: false, seen: 'web' }],
      unenforceable: [],
    },
    {
      rule: { policy: 'bank/a', rule: 0 },
      action: 'ALLOW',
      isDryRun: false,
      matches: false,
      misses: [
        {
          field: 'rules[0].from[0].source.principals',
          values: ['cluster.local/ns/ops/sa/admin'],
          isNegated: false,
          seen: 'cluster.local/ns/web/sa/front',
        },
        { field: 'rules[0].from[1].source.notIpBlocks', values: ['10.0.0.0/8'], isNegated: true, seen: '10.0.0.1' },
        { field: 'rules[0].to[0].operation.paths', values: ['/a'], isNegated: false, seen: '/b' },
        { field: 'rules[0].when[0].notValues', values: ['gold'], isNegated: true, seen: 'silver, gold' },
      ],
      unenforceable: [],
    },
  ])
})

t.test('nothing of a call is looked at for rules that name other callers', async t => {
  const looksAtPort = { to: [{ operation: { ports: ['8080'] } }] }
  const sources = [
    { principals: ['cluster.local/ns/web/sa/other', '*/ns/ops/sa/front'] },
    { serviceAccounts: ['front', 'web/other'] },
    { namespaces: ['ops', 'bank'] },
  ]
  const rules = sources.map(source => ({ from: [{ source }], ...looksAtPort }))
  const call = {
    ...web,
    get destinationPort(): number {
      throw new Error('looked at')
    },
  }
  t.ok(authorize(named('d', 'DENY', rules)).judge(call).allowed)
  t.throws(() => authorize(named('d', 'DENY', [looksAtPort])).judge(call), /looked at/)
  for (const namespaces of [['web'], ['w*']]) {
    const rule = { from: [{ source: { namespaces } }], ...looksAtPort }
    t.throws(() => authorize(named('d', 'DENY', [...rules, rule])).judge(call), /looked at/)
  }
})

t.test('a policy that cannot be read closes what it is for, and nothing else', async t => {
  const judged = (namespace: string | undefined, spec: PolicyScope) => {
    const unreadable = [{ kind: 'unreadable-policy', title: 'AuthorizationPolicy x/y', namespace, spec }] as const
    const config = { ...policyConfig([named('a', 'ALLOW', [everything])]), unreadable }
    const authorization = compileAuthorization(config, ledger)
    t.equal(authorization.isEmpty, false)
    return authorization.judge(web)
  }
  const { namespace, labels } = ledger
  const closed = { allowed: false, reason: 'unreadable', unreadable: 'AuthorizationPolicy x/y', by: undefined }
  t.match(judged(namespace, {}), closed)
  t.match(judged(policyConfig([]).rootNamespace, {}), closed)
  t.match(judged(undefined, {}), closed, 'nobody knows whom it is for')
  t.match(judged(namespace, { selector: { matchLabels: labels } }), closed)
  t.match(judged(namespace, { selector: { matchLabels: { app: 'another' } } }), { allowed: true })
  t.match(judged(namespace, { targetRefs: [{ kind: 'Service', name: 'another' }] }), { allowed: true })
  t.match(judged('elsewhere', {}), { allowed: true })
})
