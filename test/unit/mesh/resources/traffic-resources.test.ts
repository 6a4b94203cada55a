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
  t.match(http({ match: [{ uri: { regex: '/(?=cart)' } }] }), [/uri\.regex: is no regular expression: it has \(\?=c/])
  t.match(http({ match: [{ headers: { a: { regex: 'x'.repeat(1025) } } }] }), [/longer than 1024 characters/])
})

t.test('what routing does not do is refused by name', async t => {
  const rows: readonly (readonly [keyof typeof read, object, RegExp])[] = [
    ['VirtualService', { http: [{ route }] }, /spec\.hosts: is not implemented/],
    ['VirtualService', { hosts: ['cart'], http: [{ delegate: { name: 'x' } }] }, /delegate: is not implemented/],
    ['DestinationRule', { host: 'cart', trafficPolicy: { tunnel: {} } }, /tunnel: is not implemented/],
    ['DestinationRule', { host: 'cart', trafficPolicy: { proxyProtocol: {} } }, /proxyProtocol: is not implemented/],
    [
      'DestinationRule',
      { host: 'cart', trafficPolicy: { tls: { mode: 'SIMPLE', credentialName: 'x' } } },
      /credentialName: is not implemented/,
    ],
    ['Sidecar', { ingress: [] }, /spec\.ingress: is not implemented/],
    ['Sidecar', { egress: [{ hosts: ['./*'], captureMode: 'NONE' }] }, /captureMode: is not implemented/],
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
