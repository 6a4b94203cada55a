import t from 'tap'
import { parseResources } from '../../../../mesh/resources/parse.ts'
import { formatProblem } from '../../../../mesh/resources/problem.ts'

const route = [{ destination: { host: 'cart' } }]

function problemsOf(spec: object): string[] {
  const document = { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name: 'cart' }, spec }
  return parseResources(JSON.stringify(document, null, 1), 'x.yaml').problems.map(formatProblem)
}

const root = (rule: object) => problemsOf({ hosts: ['cart'], http: [rule] })

t.test('a rule may leave the rest to another VirtualService, of its own namespace or of another', async t => {
  t.same(root({ delegate: { name: 'kid' } }), [])
  t.same(root({ delegate: { name: 'kid', namespace: 'payments' }, match: [{ uri: { prefix: '/p' } }] }), [])
  t.same(root({ delegate: {} }), [], 'which Istio takes, and finds nothing')
})

t.test('what a rule says for its delegate’s rules stands beside delegate, another action does not', async t => {
  const more = { timeout: '1s', rewrite: { uri: '/' }, fault: {}, headers: {}, mirror: { host: 'audit' } }
  t.same(root({ delegate: { name: 'kid' }, ...more, directResponse: { status: 204 } }), [])
  t.same(root({ delegate: { name: 'kid' }, route: [] }), [])
  for (const [key, value] of [
    ['route', route],
    ['redirect', { uri: '/n' }],
  ] as const) {
    const problems = root({ delegate: { name: 'kid' }, [key]: value })
    t.match(problems, [
      new RegExp(`^x\\.yaml:\\d+:\\d+: spec\\.http\\[0\\]\\.${key}: stands beside delegate.*remove one`),
    ])
    t.equal(problems.length, 1)
  }
})

t.test('a delegate is named by name and namespace and nothing else', async t => {
  t.match(root({ delegate: { name: 'kid', host: 'cart' } }), [/delegate\.host: is not a field/])
  t.match(root({ delegate: { name: 7 } }), [/delegate\.name: /])
  t.match(root({ delegate: { name: 'a\nb' } }), [/delegate\.name: must be one line/], 'agents take no other')
  t.match(root({ delegate: [] }), [/http\[0\]\.delegate: /])
  t.match(root({ delegate: { Name: 'kid' } }), [/delegate\.Name: is not a field, did you mean name/])
})

t.test('a VirtualService without hosts has rules of http and nothing that needs hosts', async t => {
  t.same(problemsOf({ http: [{ route, match: [{ uri: { prefix: '/p' } }] }], exportTo: ['shop'] }), [])
  t.same(problemsOf({ hosts: [], http: [{ redirect: { uri: '/n' } }, { directResponse: { status: 200 } }] }), [])
  t.match(problemsOf({ http: [{ route }], gateways: ['mesh'] }), [/spec\.gateways: needs hosts/])
  t.match(problemsOf({ http: [{ route }], tcp: [{ route }] }), [/spec\.tcp: needs hosts/])
  t.ok(
    problemsOf({ http: [{ route }], tls: [{ match: [{ sniHosts: ['a.example'] }], route }] }).some(one =>
      one.includes('spec.tls: needs hosts'),
    ),
  )
  t.match(problemsOf({}), [/needs one of http, tls and tcp/])
})

t.test('a delegate does not delegate further', async t => {
  const problems = problemsOf({ http: [{ route }, { delegate: { name: 'x' } }] })
  t.match(problems, [/^x\.yaml:\d+:\d+: spec\.http\[1\]\.delegate: needs hosts.*write the rules here/])
  t.equal(problems.length, 1)
})

t.test('a rule that says nothing of where to go is refused with what it may say', async t => {
  t.match(root({ timeout: '1s' }), [/needs one of route, redirect, directResponse and delegate/])
})
