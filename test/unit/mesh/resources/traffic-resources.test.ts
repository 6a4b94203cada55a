import t from 'tap'
import type {
  Config,
  DestinationRuleSpec,
  MeshSettingsSpec,
  SidecarSpec,
  VirtualServiceSpec,
} from '../../../../mesh/model/traffic.ts'
import type { DestinationRule } from '../../../../mesh/resources/destination-rule.ts'
import type { MeshSettings } from '../../../../mesh/resources/mesh-settings.ts'
import { parseResources } from '../../../../mesh/resources/parse.ts'
import { formatProblem } from '../../../../mesh/resources/problem.ts'
import type { Sidecar } from '../../../../mesh/resources/sidecar.ts'
import type { VirtualService } from '../../../../mesh/resources/virtual-service.ts'

/** What routing reads of a resource: compiles only while every spec that is taken is one that routing knows. */
type Read = VirtualServiceSpec | DestinationRuleSpec | SidecarSpec | MeshSettingsSpec
const read = {
  VirtualService: (resource: VirtualService): VirtualServiceSpec => resource.spec,
  DestinationRule: (resource: DestinationRule): DestinationRuleSpec => resource.spec,
  Sidecar: (resource: Sidecar): SidecarSpec => resource.spec,
  MeshSettings: (resource: MeshSettings): MeshSettingsSpec => resource.spec,
} satisfies Record<string, (resource: never) => Config<Read>['spec']>

function problemsOf(kind: keyof typeof read, spec: unknown): string[] {
  const versions = { MeshSettings: 'weft.dev/v1', VirtualService: '', DestinationRule: '', Sidecar: '' }
  const apiVersion = versions[kind] || 'networking.istio.io/v1'
  const document = { apiVersion, kind, metadata: { name: 'cart', namespace: 'shop' }, spec }
  return parseResources(JSON.stringify(document, null, 1), 'x.yaml').problems.map(formatProblem)
}

const route = [{ destination: { host: 'cart' } }]
const http = (more: object) => problemsOf('VirtualService', { hosts: ['cart'], http: [{ route, ...more }] })

t.test('a path may be matched by whole segments, which Istio cannot', async t => {
  t.same(http({ match: [{ uri: { pathPrefix: '/cart' } }] }), [])
  for (const bad of ['cart', '', '/cart?x', '/cart#x']) {
    t.match(http({ match: [{ uri: { pathPrefix: bad } }] }), [/uri\.pathPrefix: must be a path/], bad)
  }
  t.match(http({ match: [{ uri: { pathPrefix: '/a', prefix: '/a' } }] }), [/uri\.pathPrefix: stands beside prefix/])
  t.match(http({ match: [{ method: { pathPrefix: '/a' } }] }), [/pathPrefix: is not a field/])
})

t.test('regular expressions are held to what runs in linear time', async t => {
  t.same(http({ match: [{ uri: { regex: '/cart/[0-9]+' } }] }), [])
  t.match(http({ match: [{ uri: { regex: '/(?=cart)' } }] }), [/uri\.regex: is no regular expression: it .*\(\?=/])
  t.match(http({ match: [{ headers: { a: { regex: 'x'.repeat(1025) } } }] }), [/longer than 1024 characters/])
})

const listener = (values: object) => ({ port: { number: 80 }, hosts: ['./*'], captureMode: 'NONE', ...values })

t.test('Sidecars may open listeners on loopback, and say at which address a port is', async t => {
  for (const values of [{}, { bind: '' }, { bind: '127.0.0.2' }, { bind: '::1' }]) {
    t.same(problemsOf('Sidecar', { egress: [listener(values)] }), [])
  }
  t.same(problemsOf('Sidecar', { ingress: [{ port: { number: 80 }, bind: '10.0.0.1' }] }), [])
  t.match(problemsOf('Sidecar', { egress: [listener({ bind: 'loopback' })] }), [
    /bind: must be an IPv4 or IPv6 address/,
  ])
})

t.test('what routing does not do is refused by name', async t => {
  const rows: readonly (readonly [keyof typeof read, object, RegExp])[] = [
    ['Sidecar', { ingress: [{ port: { number: 80 }, captureMode: 'NONE' }] }, /captureMode: is not implemented/],
    ['Sidecar', { egress: [{ hosts: ['./*'], captureMode: 'NONE' }] }, /captureMode: is not implemented: .*port/],
    ['Sidecar', { egress: [listener({ bind: '10.0.0.1' })] }, /bind: is not implemented: .*loopback/],
    ['Sidecar', { egress: [listener({ bind: 'unix:///run/a' })] }, /bind: is not implemented: .*unix sockets/],
    ['Sidecar', { egress: [listener({ captureMode: 'DEFAULT', bind: '::1' })] }, /bind: is not implemented: .*NONE/],
    ['Sidecar', { egress: [listener({ port: { number: 80, protocol: 'TCP' } })] }, /captureMode: is not impl.* bytes/],
  ]
  for (const [kind, spec, message] of rows) {
    const [first, ...more] = problemsOf(kind, spec)
    t.match(first, message)
    t.same(more, [], 'and nothing else is said')
  }
})

t.test('the old name of mirrorPercent that the CRD has is read as it', async t => {
  const text = JSON.stringify({
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name: 'cart' },
    spec: { hosts: ['cart'], http: [{ route, mirror: { host: 'x' }, mirror_percent: 5 }] },
  })
  const [resource] = parseResources(text, 'x.yaml').resources
  t.match(resource?.spec, { http: [{ mirrorPercent: 5 }] })
  t.notOk(JSON.stringify(resource).includes('mirror_percent'))
})

t.test('the settings of the mesh are checked as those of its resources', async t => {
  const spec: MeshSettingsSpec = {
    outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' },
    defaultHttpRetryPolicy: { attempts: 3, retryOn: '5xx,429', perTryTimeout: '250ms' },
    localityLbSetting: { enabled: false },
    connectTimeout: '2s',
    tcpKeepalive: { time: '60s' },
    pathNormalization: { normalization: 'MERGE_SLASHES' },
    accessLogEncoding: 'JSON',
    tracing: { otlpEndpoint: 'http://collector:4318', sampling: 12.5 },
  }
  t.same(problemsOf('MeshSettings', spec), [])
  t.same(problemsOf('MeshSettings', {}), [])
  t.match(problemsOf('MeshSettings', { connectTimeout: '2' }), [/connectTimeout: must be a duration/])
  t.match(problemsOf('MeshSettings', { tracing: { otlpEndpoint: 'collector:4318' } }), [/otlpEndpoint: must be a URL/])
  t.match(problemsOf('MeshSettings', { tracing: { sampling: 101 } }), [/sampling: must be at most 100/])
  t.match(problemsOf('MeshSettings', { defaultHttpRetryPolicy: { retryOn: '5xx' } }), [/without attempts above 0/])
})

t.test('values of headers may hold commands, which must end', async t => {
  const set = (value: string) => http({ headers: { request: { set: { 'x-a': value } } } }).length === 0
  const good = ['', 'a', '100%%', '%START_TIME%', 'a %REQ(x)% b', '%REQ(x?y)%', 'a\tb']
  for (const value of good) t.ok(set(value), value)
  const bad = [
    '%',
    '100%',
    '%A',
    '%A%%',
    '%REQ(x)',
    '%M(["a" "b"])%',
    '%M(["a"])x%',
    '%P("a")%',
    'a\nb',
    'a\0b',
    '%A(b\\',
  ]
  for (const value of bad) t.notOk(set(value), value)
})

t.test('commands that nobody knows and expressions too large to run are refused when they are written', async t => {
  const set = (value: string) => http({ headers: { response: { add: { 'x-a': value } } } })
  t.match(set('%REQUEST(x)%'), [/x-a.*: has the unknown command %REQUEST\(x\)%/])
  t.match(set('%M(["a", "b"])%'), [/has /])
  t.match(http({ match: [{ uri: { regex: '((x{100}){100}){100}' } }] }), [/uri\.regex: is no regular expression/])
})

t.test('the host may be set once, and only as the request goes out', async t => {
  t.same(http({ headers: { request: { set: { Host: 'b' } } } }), [])
  t.match(http({ headers: { request: { set: { host: 'b' }, add: { ':authority': 'c' } } } }), [
    /sets the host more than once/,
  ])
  t.match(http({ headers: { request: { add: { host: 'b' } } }, rewrite: { authority: 'c' } }), [
    /sets the host more than/,
  ])
  t.match(http({ headers: { response: { set: { host: 'b' } } } }), [/host: cannot be changed here/])
  t.match(http({ headers: { request: { remove: ['host', ':path'] } } }), [/cannot be changed/, /is no header/])
})

t.test('retries are for conditions and statuses that there are', async t => {
  const on = (retryOn: string) => http({ retries: { attempts: 1, retryOn } }).length === 0
  for (const good of ['', '5xx', '503', '5xx,503,429', 'unavailable,reset', '418', '511']) t.ok(on(good), good)
  for (const bad of ['5XX', '600', '299', '419', '5xx, 503', '5xx,', 'bogus']) t.notOk(on(bad), bad)
})

t.test('places must not overlap, a wildcard after what it holds aside', async t => {
  const from = (...places: readonly string[]) => {
    const distribute = places.map(place => ({ from: place, to: { a: 100 } }))
    const trafficPolicy = { loadBalancer: { localityLbSetting: { distribute } } }
    return problemsOf('DestinationRule', { host: 'cart', trafficPolicy }).length === 0
  }
  const good = [['a', 'b'], ['a/b', 'a/c'], ['a/b/c', 'a/b/d'], ['a/b', 'a/*'], ['a', '*'], ['a/b/c/d']]
  for (const places of good) t.ok(from(...places), places.join(' '))
  const bad = [['a', 'a'], ['a/*', 'a/b'], ['a', 'a/b'], ['a/b', 'a'], ['*', 'a'], ['a/*/c'], ['a*b'], ['a//b'], ['']]
  for (const places of bad) t.notOk(from(...places), places.join(' '))
})

t.test('routes that say nothing of shares are refused, others are relative', async t => {
  const weighted = (...weights: readonly (number | undefined)[]) => {
    const route = weights.map(weight => ({ destination: { host: 'cart' }, ...(weight !== undefined && { weight }) }))
    return problemsOf('VirtualService', { hosts: ['cart'], http: [{ route }], tcp: [{ route }] })
  }
  t.same(weighted(1, 2), [])
  t.same(weighted(undefined), [], 'one alone takes all')
  t.same(weighted(0), [])
  t.match(weighted(undefined, undefined), [
    /http\[0\]\.route: has no destination with a weight/,
    /tcp\[0\]\.route: has no/,
  ])
  t.match(weighted(-1, 2), [/weight: must be at least 0/, /weight: must be at least 0/])
})

t.test('failures of local origin count apart, or not at all', async t => {
  const outlier = (outlierDetection: object) =>
    problemsOf('DestinationRule', { host: 'cart', trafficPolicy: { outlierDetection } })
  t.same(outlier({ splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: 4 }), [])
  t.same(outlier({ consecutiveLocalOriginFailures: 0 }), [])
  t.match(outlier({ consecutiveLocalOriginFailures: 4 }), [/counts only with splitExternalLocalOriginErrors/])
})

t.test('lists in which everything is compared with everything are bounded', async t => {
  const many = (count: number, text: (index: number) => unknown) =>
    Array.from({ length: count }, (_, index) => text(index))
  const hosts = many(1025, index => `h${index}`)
  t.match(problemsOf('VirtualService', { hosts, http: [{ route }] }), [/spec\.hosts: must have at most 1024 entries/])
  const distribute = many(513, index => ({ from: `r${index}`, to: { a: 100 } }))
  const trafficPolicy = { loadBalancer: { localityLbSetting: { distribute } } }
  t.match(problemsOf('DestinationRule', { host: 'cart', trafficPolicy }), [/distribute: must have at most 512 entries/])
})
