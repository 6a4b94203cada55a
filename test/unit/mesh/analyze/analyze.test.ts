import t from 'tap'
import { analyze } from '../../../../mesh/analyze/analyze.ts'
import type { AnalyzedWorld, KnownService } from '../../../../mesh/analyze/finding.ts'
import { parseResources } from '../../../../mesh/resources/parse.ts'
import { formatPath } from '../../../../mesh/resources/problem.ts'

interface Written {
  readonly kind?: string
  readonly name?: string
  readonly namespace?: string
  readonly created?: string
  readonly spec: object
}

const versions: Readonly<Record<string, string>> = { MeshSettings: 'weft.dev/v1' }

function findings(written: readonly Written[], more: Partial<AnalyzedWorld> = {}): string[] {
  const texts = written.map(({ kind = 'VirtualService', name = 'cart', namespace = 'shop', created, spec }, index) => {
    const apiVersion = versions[kind] ?? 'networking.istio.io/v1'
    const creationTimestamp = created ?? `2026-01-01T00:00:0${index}Z`
    return JSON.stringify({ apiVersion, kind, metadata: { name, namespace, creationTimestamp }, spec })
  })
  const { resources, problems } = parseResources(texts.join('\n---\n'), 'a.yaml')
  t.same(problems, [])
  return analyze({ resources, rootNamespace: 'weft-system', domain: 'mesh', ...more }).map(
    ({ severity, code, path, message, suggestion }) => {
      const hint = suggestion === undefined ? '' : ` (${suggestion}?)`
      return `${severity} ${code} ${formatPath(path)}: ${message}${hint}`
    },
  )
}

const route = [{ destination: { host: 'cart' } }]
const rules = (...matches: readonly (object | undefined)[]) => ({
  spec: { hosts: ['cart'], http: matches.map(match => ({ route, ...(match !== undefined && { match: [match] }) })) },
})
const unreachable = (...matches: readonly (object | undefined)[]) =>
  findings([rules(...matches)]).filter(one => one.includes(' unreachable '))

t.test('a rule that an earlier one leaves nothing to is named', async t => {
  const rows: readonly (readonly [object | undefined, object | undefined])[] = [
    [undefined, undefined],
    [undefined, { uri: { exact: '/a' } }],
    [{}, { uri: { prefix: '/a/' } }],
    [{ uri: { prefix: '/' } }, { uri: { prefix: '/a/' } }],
    [{ uri: { prefix: '/' } }, { uri: { exact: '/a' } }],
    [{ uri: { prefix: '/a' } }, { uri: { prefix: '/ab' } }],
    [{ uri: { prefix: '/a/' } }, { uri: { pathPrefix: '/a/b' } }],
    [{ uri: { pathPrefix: '/a' } }, { uri: { prefix: '/a/' } }],
    [{ uri: { pathPrefix: '/a' } }, { uri: { exact: '/a' } }],
    [{ uri: { pathPrefix: '/a' } }, { uri: { pathPrefix: '/a/b' } }],
    [{ uri: { pathPrefix: '/' } }, { uri: { pathPrefix: '/a' } }],
    [{ uri: { regex: '/a[0-9]' } }, { uri: { regex: '/a[0-9]' }, method: { exact: 'GET' } }],
    [{ uri: { prefix: '/A' }, ignoreUriCase: true }, { uri: { prefix: '/ab' } }],
    [
      { uri: { prefix: '/A' }, ignoreUriCase: true },
      { uri: { prefix: '/Ab' }, ignoreUriCase: true },
    ],
    [{ method: { exact: 'GET' } }, { method: { exact: 'GET' }, uri: { exact: '/a' } }],
    [{ headers: { 'x-a': {} } }, { headers: { 'X-A': { exact: '1' } } }],
    [{ headers: { 'x-a': { prefix: 'b' } } }, { headers: { 'x-a': { exact: 'beta' } } }],
    [{ queryParams: { q: { exact: '1' } } }, { queryParams: { q: { exact: '1' }, r: { exact: '2' } } }],
    [{ withoutHeaders: { a: {} } }, { withoutHeaders: { a: {} }, port: 80 }],
    [{ sourceLabels: { app: 'a' } }, { sourceLabels: { app: 'a', v: '1' } }],
    [{ sourceNamespace: 'x' }, { sourceNamespace: 'x', port: 80 }],
    [{ authority: { exact: 'a' } }, { authority: { exact: 'a' }, scheme: { exact: 'http' } }],
  ]
  for (const [first, second] of rows) {
    const found = unreachable(first, second)
    t.same(found.length, 1, JSON.stringify([first, second]))
    t.match(found[0], /warning unreachable spec\.http\[1\]: is never reached: rule 1 before it/)
  }
})

t.test('nothing is said of a rule that may still be reached', async t => {
  const rows: readonly (readonly [object | undefined, object | undefined])[] = [
    [{ uri: { exact: '/a' } }, undefined],
    [{ uri: { prefix: '/' } }, undefined],
    [{ uri: { prefix: '/a' } }, { uri: { prefix: '/' } }],
    [{ uri: { exact: '/a' } }, { uri: { prefix: '/a' } }],
    [{ uri: { pathPrefix: '/a' } }, { uri: { prefix: '/a' } }],
    [{ uri: { pathPrefix: '/a' } }, { uri: { pathPrefix: '/ab' } }],
    [{ uri: { prefix: '/a/' } }, { uri: { pathPrefix: '/a' } }],
    [{ uri: { regex: '/a.*' } }, { uri: { exact: '/ab' } }],
    [{ uri: { prefix: '/a' } }, { uri: { prefix: '/a' }, ignoreUriCase: true }],
    [{ uri: { prefix: '/a/' }, method: { exact: 'GET' } }, { uri: { prefix: '/a/' } }],
    [{ headers: { 'x-a': { exact: '1' } } }, { headers: { 'x-a': {} } }],
    [{ headers: { 'x-a': { exact: '1' } } }, { headers: { 'x-b': { exact: '1' } } }],
    [{ withoutHeaders: { a: { exact: '1' } } }, { withoutHeaders: { a: {} } }],
    [{ queryParams: { q: { exact: '1' } } }, { queryParams: { q: { prefix: '1' } } }],
    [{ port: 80 }, { port: 81 }],
    [{ sourceLabels: { app: 'a', v: '1' } }, { sourceLabels: { app: 'a' } }],
    [{ gateways: ['mesh'] }, { uri: { prefix: '/a/' } }],
  ]
  for (const [first, second] of rows) t.same(unreachable(first, second), [], JSON.stringify([first, second]))
})

t.test('of several matches those are named that are lost, of rules of connections too', async t => {
  const spec = {
    hosts: ['*.db.example'],
    http: [
      { name: 'all-a', route, match: [{ uri: { prefix: '/a/' } }, { uri: { prefix: '/b/' } }] },
      { route, match: [{ uri: { exact: '/b/c' } }, { uri: { exact: '/d' } }] },
    ],
    tcp: [
      { route, match: [{ port: 5432 }] },
      { route, match: [{ port: 5432, sourceNamespace: 'shop' }] },
      { route, match: [{ destinationSubnets: ['10.0.0.0/8'] }] },
    ],
    tls: [
      { route, match: [{ sniHosts: ['*.db.example'] }] },
      { route, match: [{ sniHosts: ['a.db.example'] }] },
    ],
  }
  t.match(
    findings([{ spec }]).filter(one => one.includes('unreachable')),
    [
      /spec\.http\[1\]\.match\[0\]: is never reached: rule 1 \(all-a\) before it/,
      /spec\.tls\[1\]: is never reached: rule 1 /,
      /spec\.tcp\[1\]: is never reached: rule 1 /,
    ],
  )
})

t.test('two VirtualServices of a namespace for one host are an error, in whatever form it is written', async t => {
  const cart = (name: string, hosts: readonly string[], more: object = {}, namespace = 'shop'): Written => {
    return { name, namespace, spec: { hosts, http: [{ route }], ...more } }
  }
  t.match(findings([cart('a', ['cart']), cart('b', ['x.example', 'CART.shop.mesh'])]), [
    /error duplicate-host spec\.hosts\[1\]: VirtualService shop\/b and VirtualService shop\/a are both for the host CART/,
  ])
  t.same(findings([cart('a', ['cart']), cart('b', ['cart'], {}, 'other')]), [], 'namespaces are apart')
  t.same(findings([cart('a', ['*.x.example']), cart('b', ['a.x.example'])]), [], 'the exact host goes first')
  t.same(findings([cart('a', ['cart'], { exportTo: ['p'] }), cart('b', ['cart'], { exportTo: ['q'] })]), [])
  t.same(findings([cart('a', ['cart'], { exportTo: ['p'] }), cart('b', ['cart'])]), [], 'by name goes before all')
  t.match(findings([cart('a', ['cart'], { exportTo: ['p', 'q'] }), cart('b', ['cart'], { exportTo: ['q'] })]), [
    /error duplicate-host/,
  ])
  const outside = findings([cart('a', ['cart'], { gateways: ['edge/public'] }), cart('b', ['cart'])])
  t.same(
    outside.filter(one => one.startsWith('error')),
    [],
  )
})

t.test('two DestinationRules for one host must be such that they can be merged', async t => {
  const rule = (name: string, more: object = {}): Written => {
    return { kind: 'DestinationRule', name, spec: { host: 'cart', ...more } }
  }
  t.same(findings([rule('a'), rule('b')]), [])
  t.match(findings([rule('a'), rule('b', { exportTo: ['*'] })]), [
    /error unmergeable spec\.host: DestinationRule shop\/b/,
  ])
  t.match(findings([rule('a', { exportTo: ['.', 'p'] }), rule('b', { exportTo: ['.'] })]), [/error unmergeable/])
  t.same(findings([rule('a', { exportTo: ['.'] }), rule('b', { exportTo: ['.', 'p'] })]), [])
  t.same(findings([rule('a', { exportTo: ['p'] }), rule('b', { exportTo: ['q'] })]), [], 'nobody sees both')
  t.same(findings([rule('a'), rule('b', { workloadSelector: { matchLabels: { app: 'x' } }, exportTo: ['.'] })]), [])
  const subsets = [{ name: 'v1', labels: { version: 'v1' } }]
  const trafficPolicy = { loadBalancer: { simple: 'RANDOM' } }
  t.match(findings([rule('a', { subsets, trafficPolicy }), rule('b', { subsets, trafficPolicy })]), [
    /warning policy-ignored spec\.trafficPolicy: does not count: that of DestinationRule shop\/a/,
    /warning policy-ignored spec\.subsets\[0\]\.name: does not count/,
  ])
})

t.test('the settings of the mesh are one, in the root namespace', async t => {
  const settings = (name: string, namespace: string): Written => ({ kind: 'MeshSettings', name, namespace, spec: {} })
  t.same(findings([settings('a', 'weft-system')]), [])
  t.match(findings([settings('a', 'shop')]), [/error misplaced metadata\.namespace: must be weft-system/])
  t.match(findings([settings('a', 'weft-system'), settings('b', 'weft-system')]), [
    /error duplicate-settings metadata\.name: MeshSettings weft-system\/b and MeshSettings weft-system\/a/,
  ])
})

const services: readonly KnownService[] = [
  { namespace: 'shop', hosts: ['cart.shop.mesh'], ports: [80, 8080] },
  { namespace: 'shop', hosts: ['wild.shop.mesh', '*.pay.example'], ports: [] },
]

t.test('what a route names must be there, where everything is known', async t => {
  const to = (destination: object): Written => ({ spec: { hosts: ['cart'], http: [{ route: [{ destination }] }] } })
  const rule: Written = {
    kind: 'DestinationRule',
    spec: { host: '*.shop.mesh', subsets: [{ name: 'v1', labels: { version: 'v1' } }] },
  }
  const rows: readonly (readonly [object, readonly RegExp[]])[] = [
    [{ host: 'cart' }, []],
    [{ host: 'cart.shop.mesh', port: { number: 8080 } }, []],
    [{ host: 'eu.pay.example', port: { number: 1 } }, []],
    [{ host: 'card' }, [/warning unknown-host .*route\[0\]\.destination\.host: card is no service .*\(cart\?\)/]],
    [
      { host: 'cart', port: { number: 81 } },
      [/unknown-port .*port\.number: 81 is no port of cart, which has 80, 8080/],
    ],
    [{ host: 'cart', subset: 'v1' }, []],
    [{ host: 'cart', subset: 'v2' }, [/unknown-subset .*subset: v2 is no subset .*\(v1\?\)/]],
  ]
  for (const [destination, expected] of rows) {
    t.match(findings([rule, to(destination)], { services }), expected, JSON.stringify(destination))
    t.equal(findings([rule, to(destination)], { services }).length, expected.length, JSON.stringify(destination))
  }
  t.match(findings([{ kind: 'DestinationRule', spec: { host: 'carts' } }], { services }), [
    /unknown-host spec\.host: carts/,
  ])
  t.match(findings([to({ host: 'cart', subset: 'v1' })], { services }), [/unknown-subset/])
})

t.test('without knowing the services nothing is said of names that others may declare', async t => {
  const http = [{ route: [{ destination: { host: 'elsewhere', subset: 'v1', port: { number: 1 } } }] }]
  t.same(findings([{ spec: { hosts: ['cart'], http } }]), [])
  const subsets = [{ name: 'v2', labels: { version: 'v2' } }]
  const rule = { kind: 'DestinationRule', spec: { host: 'elsewhere', subsets } }
  t.match(findings([rule, { spec: { hosts: ['cart'], http } }]), [/unknown-subset .*\(v2\?\)/])
  const entry = {
    kind: 'ServiceEntry',
    name: 'elsewhere',
    spec: { hosts: ['a.example'], resolution: 'STATIC', ports: [{ number: 2, name: 'http' }] },
  }
  t.match(findings([entry, { spec: { hosts: ['cart'], http } }]), [
    /unknown-port .*1 is no port of elsewhere, which has 2/,
  ])
})

t.test('gateways are named that there are not', async t => {
  const spec = { hosts: ['cart'], gateways: ['mesh', 'edge/public'], http: [{ route, match: [{ gateways: ['x/y'] }] }] }
  t.match(findings([{ spec }]), [
    /unknown-gateway spec\.gateways\[1\]: edge\/public is no gateway: weft has only mesh$/,
    /unknown-gateway .*match\[0\]\.gateways\[0\]: x\/y is no gateway.*never used$/,
  ])
})

t.test('what is hardly meant is told', async t => {
  const two = (a: number, b: number) => [
    { destination: { host: 'cart' }, weight: a },
    { destination: { host: 'cart' }, weight: b },
  ]
  const spec = {
    hosts: ['cart'],
    http: [
      { route: two(60, 30), match: [{ uri: { prefix: '/a' }, statPrefix: 'x' }] },
      { route: two(90, 10), match: [{ uri: { prefix: '/b/' } }], fault: { abort: { httpStatus: 503 } } },
      { route: [{ destination: { host: 'cart' }, weight: 1 }], match: [{ uri: { pathPrefix: '/c' } }] },
    ],
    tcp: [{ route, match: [{ sourceSubnet: '10.0.0.0/8' }] }],
  }
  const old = { host: 'cart', trafficPolicy: { outlierDetection: { consecutiveErrors: 3 } } }
  t.match(findings([{ spec }, { kind: 'DestinationRule', spec: old }]), [
    /no-effect spec\.trafficPolicy\.outlierDetection\.consecutiveErrors: has no effect/,
    /weights spec\.http\[0\]\.route: has weights that add up to 90, not 100/,
    /raw-prefix spec\.http\[0\]\.match\[0\]\.uri\.prefix: takes \/ax too/,
    /no-effect spec\.http\[0\]\.match\[0\]\.statPrefix/,
    /no-effect spec\.tcp\[0\]\.match\[0\]\.sourceSubnet/,
    /fault-never spec\.http\[1\]\.fault\.abort: never happens/,
  ])
})

t.test('similar names are looked for a few times only', async t => {
  const http = Array.from({ length: 30 }, () => ({ route: [{ destination: { host: 'card' } }] }))
  const found = findings([{ spec: { hosts: ['cart'], http } }], { services }).filter(one =>
    one.includes('unknown-host'),
  )
  t.equal(found.length, 30)
  t.equal(found.filter(one => one.endsWith('(cart?)')).length, 20)
})

t.test('of very long lists nothing is said rather than for ever compared', async t => {
  const match = Array.from({ length: 1001 }, (_, index) => ({ uri: { exact: `/${index}` } }))
  const spec = {
    hosts: ['cart'],
    http: [
      { route, match },
      { route, match },
    ],
  }
  t.same(findings([{ spec }]), [])
  const shorter = {
    ...spec,
    http: [
      { route, match: match.slice(1) },
      { route, match: match.slice(1) },
    ],
  }
  t.equal(findings([{ spec: shorter }]).length, 1)
})
