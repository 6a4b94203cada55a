import t from 'tap'
import { analyze } from '../../../../mesh/analyze/analyze.ts'
import type { AnalyzedWorld } from '../../../../mesh/analyze/finding.ts'
import { placedView } from '../../../../mesh/analyze/finding-view.ts'
import { parseSources } from '../../../../mesh/resources/parse.ts'

const route = [{ destination: { host: 'cart' } }]
const root = (...http: readonly object[]) => written('shop/root', { hosts: ['cart'], http })
const delegating = (more: object = {}) => ({ delegate: { name: 'kid', namespace: 'payments' }, ...more })

function written(place: string, spec: object): string {
  const [namespace, name] = place.split('/')
  const metadata = { name, namespace }
  return JSON.stringify({ apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata, spec }, null, 1)
}

/** `<line> <severity> <code> <resource> <path>: <message>` */
function findings(documents: readonly string[], more: Partial<AnalyzedWorld> = {}): string[] {
  const { resources, problems } = parseSources(documents.join('\n---\n'), 'a.yaml')
  t.same(problems, [])
  const sources = new Map(resources.map(({ resource, source }) => [resource, source]))
  const world = { resources: [...sources.keys()], rootNamespace: 'weft-system', domain: 'mesh', ...more }
  return analyze(world).flatMap(finding => {
    const source = sources.get(finding.resource)
    if (source === undefined) return []
    const { line, severity, code, resource, path, message, didYouMean } = placedView(finding, source)
    return `${line} ${severity} ${code} ${resource} ${path}: ${message}${didYouMean === undefined ? '' : ` (${didYouMean}?)`}`
  })
}

t.test('a delegate that is not there is named at its place, with one that may be meant', async t => {
  const kids = written('payments/kids', { http: [{ route }] })
  t.match(findings([root({ route, match: [{ port: 80 }] }, delegating()), kids]), [
    /^41 warning unused-delegate VirtualService payments\/kids metadata\.name: has no hosts and nobody delegates to it: it does nothing until a rule names it as delegate$/,
    /^29 warning unknown-delegate VirtualService shop\/root spec\.http\[1\]\.delegate\.name: payments\/kid is no VirtualService that is known: the rule does nothing until it is there \(payments\/kids\?\)$/,
  ])
  t.match(findings([root({ delegate: {} })]), [
    /unknown-delegate .*spec\.http\[0\]\.delegate: shop\/ is no VirtualService/,
  ])
})

t.test('a VirtualService that cannot be delegated to is named with what is in the way', async t => {
  const withHosts = written('payments/kid', { hosts: ['pay'], http: [{ route }] })
  t.match(findings([root(delegating()), withHosts]), [
    /unknown-delegate VirtualService shop\/root .*: VirtualService payments\/kid has hosts, and rules can be delegated/,
  ])
  const hidden = written('payments/kid', { http: [{ route }], exportTo: ['.'] })
  t.match(findings([root(delegating()), hidden]), [
    /unknown-delegate VirtualService shop\/root .*: VirtualService payments\/kid is not exported to shop: /,
  ])
})

t.test('a rule that can never be used is named where it stands and where it is delegated to', async t => {
  const given = [
    root(delegating({ match: [{ uri: { prefix: '/p/' } }] })),
    written('payments/kid', {
      http: [{ route, match: [{ uri: { exact: '/p/x' } }, { uri: { prefix: '/q/' } }] }, { route }],
    }),
  ]
  t.match(findings(given), [
    /^(?:3[2-9]|[4-9]\d) warning delegate-conflict VirtualService payments\/kid spec\.http\[0\]\.match\[1\]: keeps the rule from being used by http\[0\] of VirtualService shop\/root: its uri does not begin with the root’s "\/p\/"$/,
    /^\d+ warning delegate-conflict VirtualService shop\/root spec\.http\[0\]\.delegate\.name: of VirtualService payments\/kid http\[0\] cannot be used here: http\[0\]\.match\[1\]: its uri /,
  ])
  const alone = written('payments/kid', { http: [{ route, match: [{ uri: { prefix: '/q/' } }] }] })
  t.match(findings([given[0] ?? '', alone])[1], /of VirtualService payments\/kid no rule can be used here: http\[0\]/)
})

t.test('a delegate that nobody names is told of, of files alone only if another one is named', async t => {
  const kid = written('payments/kid', { http: [{ route }] })
  const other = written('payments/other', { http: [{ route }] })
  t.match(findings([kid], { services: [{ namespace: 'payments', hosts: ['cart.payments.mesh'], ports: [80] }] }), [
    /unused-delegate VirtualService payments\/kid metadata\.name: has no hosts and nobody delegates to it/,
  ])
  t.same(findings([kid]), [])
  t.match(findings([root(delegating()), kid, other]), [/unused-delegate VirtualService payments\/other/])
  t.same(findings([root(delegating()), kid]), [])
})

t.test('delegates that come to too many matches are refused', async t => {
  const many = (count: number) => ({ match: Array.from({ length: count }, () => ({ headers: { a: { exact: '1' } } })) })
  const kid = (count: number) => written('payments/kid', { http: [{ route, ...many(count) }, { route }] })
  const codes = (count: number) =>
    findings([root(delegating(many(100))), kid(count)]).filter(one => !one.includes(' unreachable '))
  t.same(codes(99), [])
  t.match(codes(100), [/error delegate-limit VirtualService shop\/root .*more than 10000 matches/])
})

t.test('a rule that delegates leaves what its delegate does not take to the next one', async t => {
  const match = [{ uri: { prefix: '/p/' } }]
  const kid = written('payments/kid', { http: [{ route, match: [{ uri: { prefix: '/p/a' } }] }] })
  const found = findings([root(delegating({ match }), { route, match }, delegating({ match })), kid])
  t.match(
    found.filter(one => one.includes(' unreachable ')),
    [/spec\.http\[2\]: is never reached: rule 2 before it/],
  )
})
