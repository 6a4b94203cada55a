import t from 'tap'
import { resourceName } from '../../../../mesh/model/agent-config.ts'
import type { TrafficKind } from '../../../../mesh/model/traffic-resource.ts'
import { decodeResource, encodeResource } from '../../../../mesh/wire/agent-config-codec.ts'
import { trafficKindNames } from '../../../../mesh/wire/resource-enums.ts'
import { schema } from '../../../../mesh/wire/schema.ts'
import { virtualServiceResource, wholeTrafficResources } from '../../../support/traffic.ts'

/** A resource of the kind with these bytes as its spec. */
function bodyOf(kind: string | number, spec: string | Buffer, values: object = {}): Buffer {
  const traffic = { kind, namespace: 'shop', name: 'cart', createdAt: 7, spec: Buffer.from(spec), ...values }
  return schema().agentResource.encode({ traffic })
}

function decode(kind: TrafficKind, spec: string | Buffer) {
  return decodeResource(`traffic/${kind}/shop/cart`, bodyOf(trafficKindNames[kind], spec))
}

t.test('every kind comes back as it was, with every field it can have', async t => {
  for (const resource of wholeTrafficResources) {
    const { name, body } = encodeResource(resource)
    t.equal(name, resourceName(resource))
    t.same(decodeResource(name, body), resource, name)
  }
  t.same(wholeTrafficResources.map(resourceName).slice(0, 2), [
    'traffic/VirtualService/shop/cart',
    'traffic/DestinationRule/shop/cart',
  ])
})

t.test('the same spec gives the same bytes in whatever order it was written', async t => {
  const one = virtualServiceResource('cart', { hosts: ['cart'], http: [{ name: 'a', timeout: '1s' }] })
  const other = virtualServiceResource('cart', {
    http: [{ timeout: '1s', name: 'a' }],
    hosts: ['cart'],
    tcp: undefined,
  })
  t.equal(encodeResource(other).hash, encodeResource(one).hash)
  const reordered = virtualServiceResource('cart', { hosts: ['cart'], http: [{ name: 'b' }, { name: 'a' }] })
  t.not(encodeResource(reordered).hash, encodeResource(one).hash)
})

t.test('a field that this version does not know makes the resource unusable, wherever it stands', async t => {
  for (const [kind, spec, path] of [
    ['VirtualService', '{"hosts":["a"],"mirrors":[]}', ''],
    ['VirtualService', '{"http":[{"match":[{"uri":{"exact":"/","suffix":"x"}}]}]}', '.http[0].match[0].uri'],
    ['VirtualService', '{"http":[{"delegate":{"name":"a","host":"b"}}]}', '.http[0].delegate'],
    ['DestinationRule', '{"host":"a","trafficPolicy":{"tunnels":{}}}', '.trafficPolicy'],
    ['Sidecar', '{"workloadSelectors":[]}', ''],
    ['MeshSettings', '{"__proto__":{"tracing":{}}}', ''],
    ['MeshSettings', '{"constructor":{}}', ''],
  ] as const) {
    const field = `resource traffic/${kind}/shop/cart.traffic.spec${path}`
    t.throws(() => decode(kind, spec), { code: 'WEFT_WIRE', message: /does not know/, fields: { field } }, spec)
  }
})

t.test('a value of another type, out of range or missing is refused by its place', async t => {
  for (const [kind, spec, path] of [
    ['VirtualService', '[]', ''],
    ['VirtualService', 'null', ''],
    ['VirtualService', '{"hosts":"a"}', '.hosts'],
    ['VirtualService', '{"hosts":[1]}', '.hosts[0]'],
    ['VirtualService', '{"hosts":["a\\u001b[2J"]}', '.hosts[0]'],
    ['VirtualService', '{"hosts":null}', '.hosts'],
    ['VirtualService', '{"http":[{"timeout":"soon"}]}', '.http[0].timeout'],
    ['VirtualService', '{"http":[{"timeout":"-1s"}]}', '.http[0].timeout'],
    ['VirtualService', '{"http":[{"timeout":1}]}', '.http[0].timeout'],
    ['VirtualService', '{"http":[{"route":[{}]}]}', '.http[0].route[0].destination'],
    ['VirtualService', '{"http":[{"route":[{"destination":{}}]}]}', '.http[0].route[0].destination.host'],
    ['VirtualService', '{"http":[{"mirrorPercentage":{"value":101}}]}', '.http[0].mirrorPercentage.value'],
    ['VirtualService', '{"http":[{"match":[{"port":65536}]}]}', '.http[0].match[0].port'],
    ['VirtualService', '{"http":[{"directResponse":{"body":{}}}]}', '.http[0].directResponse.status'],
    ['VirtualService', '{"http":[{"retries":{"attempts":-1}}]}', '.http[0].retries.attempts'],
    ['VirtualService', '{"http":[{"retries":{"attempts":1.5}}]}', '.http[0].retries.attempts'],
    [
      'VirtualService',
      '{"http":[{"headers":{"request":{"set":{"a":"b\\r\\nc: d"}}}}]}',
      '.http[0].headers.request.set.a',
    ],
    [
      'VirtualService',
      '{"http":[{"corsPolicy":{"unmatchedPreflights":"X"}}]}',
      '.http[0].corsPolicy.unmatchedPreflights',
    ],
    ['VirtualService', '{"tls":[{}]}', '.tls[0].match'],
    ['DestinationRule', '{}', '.host'],
    ['DestinationRule', '{"host":"a","subsets":[{}]}', '.subsets[0].name'],
    ['DestinationRule', '{"host":"a","trafficPolicy":{"tls":{"mode":"MAYBE"}}}', '.trafficPolicy.tls.mode'],
    ['DestinationRule', '{"host":"a","workloadSelector":{"matchLabels":{"a":1}}}', '.workloadSelector.matchLabels.a'],
    ['MeshSettings', '{"tracing":{"sampling":"1"}}', '.tracing.sampling'],
    ['MeshSettings', '{"localityLbSetting":{"enabled":1}}', '.localityLbSetting.enabled'],
  ] as const) {
    const field = `resource traffic/${kind}/shop/cart.traffic.spec${path}`
    t.throws(() => decode(kind, spec), { code: 'WEFT_WIRE', fields: { field } }, spec)
  }
})

t.test('bytes that are not JSON in UTF-8, or too many of them, are refused', async t => {
  for (const spec of ['', '{', 'NaN', Buffer.from([0x7b, 0xff, 0x7d]), `${'['.repeat(500_000)}`]) {
    t.throws(() => decode('Sidecar', spec), { code: 'WEFT_WIRE', message: /is not JSON/ })
  }
  t.throws(() => decode('Sidecar', '['.repeat(200_000) + ']'.repeat(200_000)), { code: 'WEFT_WIRE' })
  t.throws(() => decode('Sidecar', ' '.repeat((1 << 20) + 1)), { code: 'WEFT_WIRE', message: /is longer than/ })
  const many = JSON.stringify({ hosts: Array.from({ length: 10_001 }, () => 'a') })
  t.throws(() => decode('VirtualService', many), { code: 'WEFT_WIRE', message: /more than 10000 entries/ })
})

t.test('a kind that this version does not know is refused by name', async t => {
  const name = 'traffic/EnvoyFilter/shop/cart'
  const field = `resource ${name}.traffic.kind`
  t.throws(() => decodeResource(name, bodyOf(9, '{}')), { code: 'WEFT_WIRE', message: /9/, fields: { field } })
  t.throws(() => decodeResource(name, bodyOf(0, '{}')), { code: 'WEFT_WIRE', fields: { field } })
  const other = bodyOf('TRAFFIC_KIND_SIDECAR', '{}')
  t.throws(() => decodeResource('traffic/VirtualService/shop/cart', other), { code: 'WEFT_WIRE', message: /holds/ })
  t.throws(() => decodeResource('x', bodyOf('TRAFFIC_KIND_SIDECAR', '{}', { namespace: '' })), { code: 'WEFT_WIRE' })
})
