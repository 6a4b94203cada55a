import t from 'tap'
import type { HttpMatchSpec } from '../../../../mesh/model/traffic.ts'
import { mergeMatches } from '../../../../mesh/routing/delegate-match.ts'

type Match = HttpMatchSpec

/** The matches without what they do not say; a text for a conflict. */
function merged(root: readonly Match[], delegate: readonly Match[]): unknown {
  const found = mergeMatches(root, delegate)
  if (found.kind === 'conflict') return `match[${found.match}]: ${found.why}`
  const said = (value: unknown) => value !== undefined && JSON.stringify(value) !== '{}'
  return found.matches.map(match => Object.fromEntries(Object.entries(match).filter(([, value]) => said(value))))
}

t.test('a side without matches leaves those of the other', async t => {
  const match = { uri: { prefix: '/p' } }
  t.same(merged([], [match]), [match])
  t.same(merged([match], []), [match])
  t.same(merged([], []), [])
})

t.test('what the delegate does not say is the root’s, and what both say the delegate’s', async t => {
  const root = {
    name: 'root',
    uri: { prefix: '/p' },
    scheme: { exact: 'http' },
    method: { exact: 'GET' },
    authority: { exact: 'cart' },
    headers: { a: { exact: '1' }, b: { prefix: 'x' } },
    withoutHeaders: { c: { exact: '1' } },
    queryParams: { q: { exact: '1' } },
    port: 80,
    sourceLabels: { app: 'web' },
    gateways: ['mesh'],
  }
  const own = {
    name: 'kid',
    uri: { exact: '/p/x' },
    headers: { b: { exact: 'xy' }, d: { regex: '[0-9]+' } },
    queryParams: { r: {} },
    sourceLabels: { tier: 'front' },
  }
  t.same(merged([root], [own]), [
    {
      ...root,
      name: 'root-kid',
      uri: { exact: '/p/x' },
      headers: { a: { exact: '1' }, b: { exact: 'xy' }, d: { regex: '[0-9]+' } },
      queryParams: { q: { exact: '1' }, r: {} },
      sourceLabels: { app: 'web', tier: 'front' },
    },
  ])
  t.same(merged([{ name: 'root' }], [{}]), [{ name: 'root' }])
  t.same(merged([{}], [{ name: 'kid' }]), [{ name: 'kid' }])
})

t.test('a match is combined with each match of the root that it is within', async t => {
  const root = [{ uri: { prefix: '/p' } }, { method: { exact: 'GET' } }, { uri: { prefix: '/q' } }]
  t.same(merged(root, [{ uri: { exact: '/p/x' } }]), [
    { uri: { exact: '/p/x' } },
    { uri: { exact: '/p/x' }, method: { exact: 'GET' } },
  ])
})

t.test('one match that is within none of the root’s makes the whole rule a conflict', async t => {
  const root = [{ uri: { prefix: '/p' } }, { uri: { exact: '/q' } }]
  t.equal(
    merged(root, [{ uri: { prefix: '/p/x' } }, { uri: { prefix: '/z' } }]),
    'match[1]: its uri does not begin with the root’s "/p"; its uri is not the root’s "/q"',
  )
})

t.test('texts are within one another as Istio compares them', async t => {
  const within: readonly (readonly [Match['uri'], Match['uri']])[] = [
    [undefined, { regex: '/a.*' }],
    [{ regex: '/a.*' }, undefined],
    [{ exact: '/a' }, { exact: '/a' }],
    [{ prefix: '/a' }, { prefix: '/a' }],
    [{ prefix: '/a' }, { prefix: '/ab' }],
    [{ prefix: '/a' }, { exact: '/a/b' }],
    [{ prefix: '/a' }, { pathPrefix: '/a/b' }],
    [{ pathPrefix: '/a' }, { pathPrefix: '/a' }],
    [{ pathPrefix: '/a' }, { pathPrefix: '/a/b' }],
    [{ pathPrefix: '/a' }, { exact: '/a' }],
    [{ pathPrefix: '/a' }, { prefix: '/a/' }],
    [{ pathPrefix: '/' }, { exact: '/a' }],
  ]
  for (const [root, own] of within) t.type(merged([{ uri: root }], [{ uri: own }]), Array, JSON.stringify([root, own]))
  const apart: readonly (readonly [Match['uri'], Match['uri']])[] = [
    [{ exact: '/a' }, { exact: '/b' }],
    [{ exact: '/a' }, { prefix: '/a' }],
    [{ exact: '/a' }, { pathPrefix: '/a' }],
    [{ prefix: '/a/b' }, { prefix: '/a' }],
    [{ prefix: '/a/b' }, { exact: '/a' }],
    [{ prefix: '/a' }, { prefix: '/A' }],
    [{ prefix: '/a' }, { regex: '/a.*' }],
    [{ regex: '/a.*' }, { exact: '/ab' }],
    [{ regex: '/a' }, { regex: '/a' }],
    [{ regex: '/a' }, {}],
    [{ exact: '/a' }, {}],
    [{ prefix: '/a' }, {}],
    [{ prefix: '/a' }, { prefix: '' }],
    [{ prefix: '' }, { prefix: '/a' }],
    [{}, { exact: '/a' }],
    [{}, {}],
    [{ pathPrefix: '/a' }, { prefix: '/a' }],
    [{ pathPrefix: '/a' }, { exact: '/ab' }],
    [{ pathPrefix: '/a' }, { pathPrefix: '/' }],
  ]
  for (const [root, own] of apart) {
    t.match(merged([{ uri: root }], [{ uri: own }]), /^match\[0\]: its uri /, JSON.stringify([root, own]))
  }
})

t.test('what else the root asks for may not be contradicted, and the part that does is named', async t => {
  const rows: readonly (readonly [Match, Match, RegExp])[] = [
    [{ method: { exact: 'GET' } }, { method: { exact: 'POST' } }, /its method is not the root’s "GET"/],
    [{ headers: { a: { exact: '1' } } }, { headers: { a: { exact: '2' } } }, /its header a is not the root’s "1"/],
    [{ headers: { a: {} } }, { headers: { a: { exact: '2' } } }, /its header a stands against one .* without a text/],
    [{ withoutHeaders: { a: { exact: '1' } } }, { withoutHeaders: { a: {} } }, /its absent header a/],
    [{ queryParams: { q: { prefix: 'a' } } }, { queryParams: { q: { exact: 'b' } } }, /its parameter q/],
    [{ ignoreUriCase: true }, {}, /its ignoreUriCase/],
    [{ port: 80 }, { port: 81 }, /its port is not the root’s 80/],
    [{ sourceNamespace: 'shop' }, { sourceNamespace: 'ops' }, /its sourceNamespace is not the root’s shop/],
    [{ sourceNamespace: 'shop' }, { uri: { exact: '/' } }, /its sourceNamespace is not the root’s shop/],
    [{ sourceLabels: { app: 'a' } }, { sourceLabels: { app: 'b' } }, /its source label app/],
    [{ gateways: ['mesh'] }, { gateways: ['x/edge'] }, /its gateways/],
    [{ gateways: ['mesh'] }, { gateways: ['mesh', 'x/edge'] }, /its gateways/],
  ]
  for (const [root, own, why] of rows) t.match(merged([root], [own]), why)
  const fine: readonly (readonly [Match, Match])[] = [
    [{ port: 80 }, { port: 0 }],
    [{ port: 0 }, { port: 81 }],
    [{ sourceNamespace: '' }, { sourceNamespace: 'ops' }],
    [{ ignoreUriCase: false }, {}],
    [{ gateways: ['mesh', 'x/edge'] }, { gateways: ['mesh'] }],
    [{ gateways: [] }, { gateways: ['mesh'] }],
    [{ headers: { a: { exact: '1' } } }, { headers: { constructor: { exact: '2' } } }],
  ]
  for (const [root, own] of fine) t.type(merged([root], [own]), Array, JSON.stringify([root, own]))
})
