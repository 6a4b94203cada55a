import t from 'tap'
import type { AuthorizationPolicySpec, AuthorizationRule } from '../../../../mesh/model/policy.ts'
import { authorizationWarnings, type PolicySurroundings } from '../../../../mesh/policy/policy-warnings.ts'
import { policy } from '../../../support/policy-calls.ts'

const surroundings: PolicySurroundings = {
  rootNamespace: 'mesh',
  trustDomain: 'new.td',
  trustDomainAliases: ['old.td'],
  pathNormalization: 'DEFAULT',
  ports: [
    { port: 8080, protocol: 'http' },
    { port: 9090, protocol: 'tcp' },
  ],
  isPlaintextOnly: false,
}
const httpOnly = { ...surroundings, ports: [{ port: 8080, protocol: 'http' }] } as const

function warnings(
  spec: AuthorizationPolicySpec,
  around: PolicySurroundings = surroundings,
  namespace = 'bank',
): string[] {
  return authorizationWarnings(policy(spec, { namespace }), around).map(
    ({ path, message }) => `${path.join('.')} ${message}`,
  )
}

const ofRule = (action: 'ALLOW' | 'DENY' | 'AUDIT', rule: AuthorizationRule, around: PolicySurroundings = httpOnly) =>
  warnings({ action, rules: [rule] }, around)
const operation = (fields: NonNullable<AuthorizationRule['to']>[number]['operation']) => ({
  to: [{ operation: fields }],
})
const source = (fields: NonNullable<AuthorizationRule['from']>[number]['source']) => ({ from: [{ source: fields }] })

t.test('an ordinary policy has no warning', async t => {
  const rule: AuthorizationRule = {
    from: [{ source: { principals: ['old.td/ns/web/sa/front', 'cluster.local/ns/x/sa/y', '*/sa/ops'] } }],
    to: [{ operation: { methods: ['GET'], paths: ['/a', '/b/*', '*/c', '/u/{*}'], ports: ['8080'], hosts: ['a*'] } }],
    when: [{ key: 'request.headers[x-tier]', values: ['gold', 'a*b'], notValues: ['silver'] }],
  }
  t.same(ofRule('ALLOW', rule), [])
  t.same(warnings({ action: 'ALLOW' }), [])
  t.same(ofRule('DENY', { ...rule, to: [{ operation: { notPaths: ['/a'], ports: ['8080'] } }] }), [])
  t.same(warnings({ selector: { matchLabels: { app: 'x' } }, rules: [{}] }), [])
})

t.test('an empty selector is said to select everything', async t => {
  t.match(warnings({ selector: {} }), [
    'spec.selector has no labels, and so the policy holds for every workload of namespace bank',
  ])
  t.match(warnings({ selector: { matchLabels: {} } }, surroundings, 'mesh')[0], /of the mesh$/)
  t.same(warnings({ action: 'AUDIT', rules: [] }), ['spec has no rules, and so reports nothing'])
})

t.test('fields of requests on a port of connections: what happens there, by action', async t => {
  const rule = operation({ methods: ['GET'] })
  t.match(ofRule('ALLOW', rule, surroundings), [
    'spec.rules.0.to.0.operation.methods is of requests, and on port 9090 connections are judged, not requests: there the rule allows nothing',
  ])
  t.match(ofRule('DENY', rule, surroundings)[0], /there the rule denies whatever else it says, without this$/)
  t.match(ofRule('AUDIT', rule, surroundings)[0], /there the rule reports/)
  t.same(ofRule('ALLOW', rule, httpOnly), [])
  for (const field of [
    source({ requestPrincipals: ['*'] }),
    operation({ hosts: ['a:*'] }),
    { when: [{ key: 'request.headers[x]', values: ['a'] }] },
    { when: [{ key: 'request.auth.claims[x]', notValues: ['a'] }] },
  ]) {
    t.equal(ofRule('ALLOW', field, surroundings).length, 1, JSON.stringify(field))
  }
})

t.test('only ports that a rule can be about count', async t => {
  t.same(ofRule('DENY', operation({ methods: ['GET'], ports: ['8080'] }), surroundings), [])
  t.same(ofRule('ALLOW', operation({ methods: ['GET'], notPorts: ['9090'] }), surroundings), [])
  t.equal(ofRule('DENY', operation({ methods: ['GET'], ports: ['8080', '9090'] }), surroundings).length, 1)
  const condition = { when: [{ key: 'destination.port', values: ['8080'] }], ...operation({ methods: ['GET'] }) }
  t.same(ofRule('DENY', condition, surroundings), [])
  const mixed: AuthorizationRule = {
    to: [{ operation: { methods: ['GET'], ports: ['8080'] } }, { operation: { ports: ['9090'] } }],
  }
  t.same(ofRule('DENY', mixed, surroundings), [], 'what the other operation denies is what it says')
  t.equal(ofRule('ALLOW', mixed, surroundings).length, 1, 'the whole rule allows nothing on 9090')
})

t.test('where the ports are not known, a DENY of requests without ports is warned of', async t => {
  const unknown = { ...surroundings, ports: undefined }
  t.match(ofRule('DENY', operation({ methods: ['GET'] }), unknown)[0], /name the ports$/)
  t.same(ofRule('DENY', operation({ methods: ['GET'], ports: ['80'] }), unknown), [])
  t.same(ofRule('ALLOW', operation({ methods: ['GET'] }), unknown), [])
})

t.test('patterns that let through what nobody has thought of', async t => {
  t.match(
    ofRule('DENY', operation({ paths: ['/admin*'] }))[0],
    /^spec\.rules\.0\.to\.0\.operation\.paths denies paths by name/,
  )
  t.match(ofRule('ALLOW', operation({ notPaths: ['/admin'] }))[0], /notPaths allows all paths but some/)
  t.same(ofRule('DENY', operation({ paths: ['*'] })), [])
  t.same(ofRule('DENY', operation({ notPaths: ['/a'] })), [])
  t.match(ofRule('DENY', operation({ hosts: ['a.shop'] })), [/a\.shop:80; add a\.shop:\*$/])
  for (const hosts of [['a.shop', 'a.shop:*'], ['a.shop*'], ['a.shop:80'], ['*.shop']]) {
    t.same(ofRule('DENY', operation({ hosts })), [], hosts.join(' '))
  }
  t.same(ofRule('ALLOW', operation({ hosts: ['a.shop'] })), [])
})

t.test('values that no call can have', async t => {
  const cases: readonly (readonly [AuthorizationRule, RegExp])[] = [
    [source({ principals: ['spiffe://new.td/ns/a/sa/b'] }), /principals\.0 spiffe:.* begins with spiffe:/],
    [source({ principals: ['ok.td/*', 'new.td/a/b'] }), /principals\.1 new\.td\/a\/b is no principal/],
    [
      source({ principals: ['alien.td/ns/a/sa/b'] }),
      /of the trust domain alien\.td, and callers are of new\.td or old\.td$/,
    ],
    [source({ notPrincipals: ['new.td/ns/*/sa/b'] }), /has a \* that is a letter/],
    [source({ namespaces: ['a*b'] }), /has a \* that is a letter/],
    [source({ requestPrincipals: ['https://*'] }), /has no issuer/],
    [source({ requestPrincipals: ['alice'] }), /has no subject/],
    [operation({ methods: ['get'] }), /has small letters/],
    [operation({ ports: ['80'] }), /80 is no port of these workloads/],
    [operation({ paths: ['/a?x=1'] }), /has a query/],
    [operation({ paths: ['a'] }), /does not begin with a slash/],
    [operation({ paths: ['/a/*/c'] }), /has a \* inside/],
    [operation({ paths: ['/a/../b'] }), /which is \/b$/],
    [operation({ paths: ['/%61'] }), /which is \/a$/],
    [operation({ paths: ['/x/%2e/y*'] }), /which is \/x\/$/],
    [operation({ paths: ['/a b'] }), /is no path that is let in/],
    [{ when: [{ key: 'source.principal', values: ['spiffe://x'] }] }, /when\.0\.values\.0 .*begins with spiffe/],
    [{ when: [{ key: 'destination.port', notValues: ['80'] }] }, /is no port/],
    [{ when: [{ key: 'connection.sni', values: ['a*b'] }] }, /has a \*/],
  ]
  for (const [rule, expected] of cases) t.match(ofRule('ALLOW', rule), [expected], JSON.stringify(rule))
  const merge = { ...httpOnly, pathNormalization: 'DECODE_AND_MERGE_SLASHES' } as const
  t.match(ofRule('ALLOW', operation({ paths: ['//a', '/a%2Fb', '/a/'] }), merge), [/which is \/a$/, /which is \/a\/b$/])
  t.same(ofRule('ALLOW', operation({ paths: ['//a', '/a%2Fb', '/.well*'] })), [])
})

t.test('fields that exclude each other', async t => {
  const never = /is excluded as a whole by not[A-Z][A-Za-z]+: the rule never matches$/
  for (const [values, notValues] of [
    [['web'], ['web']],
    [['web'], ['w*']],
    [['web*'], ['w*']],
    [['*web'], ['*b']],
    [['a', 'b'], ['*']],
  ]) {
    t.match(
      ofRule('ALLOW', source({ namespaces: values, notNamespaces: notValues })),
      [never],
      `${values} ${notValues}`,
    )
    t.match(ofRule('ALLOW', { when: [{ key: 'source.namespace', values, notValues }] }), [never])
  }
  for (const [values, notValues] of [
    [['web'], ['web-2']],
    [['w*'], ['web*']],
    [['web', 'ops'], ['web']],
    [['*'], ['web']],
    [['web*'], ['*b']],
  ]) {
    t.same(ofRule('ALLOW', source({ namespaces: values, notNamespaces: notValues })), [], `${values} ${notValues}`)
  }
  const apart: AuthorizationRule = {
    from: [{ source: { namespaces: ['web'] } }, { source: { notNamespaces: ['web'] } }],
  }
  t.same(ofRule('ALLOW', apart), [], 'one of them is enough')
})

t.test('what only a certificate tells, where there is none', async t => {
  const plain = { ...httpOnly, isPlaintextOnly: true }
  t.match(ofRule('ALLOW', source({ principals: ['*'] }), plain), [/plaintext only: the rule never matches$/])
  t.match(ofRule('DENY', source({ notNamespaces: ['web'] }), plain), [/plaintext only: it holds for every caller$/])
  t.match(ofRule('ALLOW', { when: [{ key: 'source.trustDomain', values: ['new.td'] }] }, plain), [/never matches/])
  t.same(ofRule('ALLOW', source({ ipBlocks: ['10.0.0.0/8'] }), plain), [])
})
