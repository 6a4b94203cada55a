import t from 'tap'
import { readService, readSlice } from '../../../../registry-adapters/kubernetes/objects.ts'
import { type TranslateContext, translateService } from '../../../../registry-adapters/kubernetes/translate-service.ts'
import { endpointOf, serviceObject, sliceObject } from '../../../fakes/kubernetes-objects.ts'
import type { ApiObject } from '../../../fakes/kubernetes-state.ts'

const context: TranslateContext = {
  registry: 'k8s',
  clusterName: undefined,
  clusterDomain: 'cluster.local',
  serviceAccounts: 'none',
  nodeAgents: false,
}

/** Slices are given resource versions in their order. */
function translate(
  service: ApiObject,
  slices: readonly ApiObject[] = [],
  knowsPod = (_: string) => true,
  addresses?: readonly string[],
) {
  const podOf = (pod: string) => (knowsPod(pod) ? { addresses } : undefined)
  const versioned = slices.map((slice, at) => ({
    ...slice,
    metadata: { ...slice.metadata, resourceVersion: String(10 + at) },
  }))
  return translateService(readService(service), versioned.map(readSlice), podOf, context)
}

t.test('a Service is a mesh service with its cluster address and its name in the cluster', async t => {
  const { service, problems } = translate(serviceObject('web', {}, { namespace: 'shop' }))
  t.same(service, {
    namespace: 'shop',
    name: 'web',
    hosts: ['web.shop.svc.cluster.local'],
    addresses: ['10.96.0.10'],
    location: 'mesh',
    ports: [{ name: 'http', port: 80, protocol: 'http' }],
    endpoints: [],
  })
  t.same(problems, [])
})

t.test('a dual-stack Service has both its addresses', async t => {
  const { service } = translate(serviceObject('web', { clusterIPs: ['10.96.0.10', 'fd00:0:0::10'] }))
  t.same(service?.addresses, ['10.96.0.10', 'fd00::10'])
})

t.test('an old API server that has only clusterIP is understood', async t => {
  const { service } = translate(serviceObject('web', { clusterIPs: undefined }))
  t.same(service?.addresses, ['10.96.0.10'])
})

t.test('a headless Service has no address and all its endpoints', async t => {
  const headless = serviceObject('db', { clusterIP: 'None', clusterIPs: ['None'] })
  const { service } = translate(headless, [sliceObject('db-1', 'db', [endpointOf('10.0.0.1', 'db-0')])])
  t.same(service?.addresses, [])
  t.same(service?.endpoints, [{ workload: 'k8s/default/db-0', ports: { http: 8080 } }])
})

t.test('an ExternalName Service is left out by name: the mesh resolves no names', async t => {
  const { service, problems } = translate(serviceObject('db', { type: 'ExternalName', externalName: 'db.example.com' }))
  t.equal(service, undefined)
  t.match(problems, [{ item: 'Service default/db', reason: /"db.example.com"/ }])
})

t.test('the API server of the cluster is no service of the mesh', async t => {
  const { service, problems } = translate(serviceObject('kubernetes'))
  t.equal(service, undefined)
  t.same(problems, [])
  t.ok(translate(serviceObject('kubernetes', {}, { namespace: 'shop' })).service, 'only the one in default is that')
})

const protocols: readonly (readonly [string, object, string])[] = [
  ['the name of the port', { name: 'grpc-api' }, 'grpc'],
  ['nothing: a port without a name is found out', { name: undefined }, 'auto'],
  ['the number of a port that has no other sign', { name: 'db', port: 5432 }, 'tcp'],
  ['appProtocol before the name', { name: 'http', appProtocol: 'grpc' }, 'grpc'],
  ['h2c as Kubernetes writes it', { name: 'api', appProtocol: 'kubernetes.io/h2c' }, 'http2'],
  ['websockets as Kubernetes writes them', { name: 'api', appProtocol: 'kubernetes.io/ws' }, 'http'],
  ['websockets over TLS', { name: 'api', appProtocol: 'kubernetes.io/wss' }, 'tls'],
  ['https', { name: 'https' }, 'tls'],
  ['a protocol that Weft does not look into', { name: 'http', appProtocol: 'mysql' }, 'tcp'],
  ['a protocol that Weft does not know: it is found out', { name: 'http', appProtocol: 'amqp' }, 'auto'],
]

for (const [what, port, protocol] of protocols) {
  t.test(`what a port speaks is read from ${what}`, async t => {
    const { service } = translate(serviceObject('web', { ports: [{ protocol: 'TCP', port: 80, ...port }] }))
    t.equal(service?.ports[0]?.protocol, protocol)
  })
}

t.test("a Service's annotation goes before what its ports say, and a wrong one is named", async t => {
  const annotated = (value: string) => serviceObject('web', {}, { annotations: { 'weft.dev/protocol': value } })
  t.equal(translate(annotated('tcp')).service?.ports[0]?.protocol, 'tcp')
  const wrong = translate(annotated('htpp'))
  t.equal(wrong.service?.ports[0]?.protocol, 'http')
  t.match(wrong.problems, [{ item: 'Service default/web', reason: /"htpp"/ }])
})

t.test('annotations that Weft does not know, or not on a Service, are named', async t => {
  const annotations = { 'weft.dev/protocl': 'tcp', 'weft.dev/uid': '0', 'example.com/x': 'y' }
  const { problems } = translate(serviceObject('web', {}, { annotations }))
  t.match(problems, [
    { reason: /protocl.*did you mean weft-protocol/ },
    { reason: /weft.dev\/uid.*nothing on a Service/ },
  ])
})

t.test('ports that are not TCP are left out, and a Service without any other is named', async t => {
  const both = [
    { name: 'dns', protocol: 'UDP', port: 53 },
    { name: 'dns-tcp', protocol: 'TCP', port: 53 },
  ]
  const { service, problems } = translate(serviceObject('dns', { ports: both }))
  t.same(service?.ports, [{ name: 'dns-tcp', port: 53, protocol: 'tcp' }])
  t.same(problems, [])
  const none = translate(serviceObject('dns', { ports: both.slice(0, 1) }))
  t.equal(none.service, undefined)
  t.match(none.problems, [{ item: 'Service default/dns', reason: 'it has no TCP port' }])
})

t.test('a port of a slice is found by its name, and by its transport where two share a name', async t => {
  const ports = [
    { name: 'x', protocol: 'UDP', port: 53 },
    { name: 'x', protocol: 'TCP', port: 54 },
  ]
  const slice = sliceObject('a', 'web', [endpointOf('10.0.0.1', 'web-0')], {
    ports: [
      { name: 'x', protocol: 'UDP', port: 5053 },
      { name: 'x', protocol: 'TCP', port: 5054 },
    ],
  })
  t.same(translate(serviceObject('web', { ports }), [slice]).service?.endpoints[0]?.ports, { x: 5054 })
})

t.test('a port without a name is called by its number', async t => {
  const service = serviceObject('web', { ports: [{ protocol: 'TCP', port: 80, targetPort: 8080 }] })
  const slice = sliceObject('a', 'web', [endpointOf('10.0.0.1', 'web-0')], {
    ports: [{ name: '', port: 8080, protocol: 'TCP' }],
  })
  const made = translate(service, [slice]).service
  t.equal(made?.ports[0]?.name, '80')
  t.same(made?.endpoints[0]?.ports, { 80: 8080 })
})

t.test('a slice that lacks the ports of its Service gives no endpoints', async t => {
  const slice = sliceObject('a', 'web', [endpointOf('10.0.0.1', 'web-0')], { ports: [] })
  t.same(translate(serviceObject('web'), [slice]).service?.endpoints, [])
})

const conditions: readonly (readonly [object, string, RegExp | undefined])[] = [
  [{}, 'healthy', undefined],
  [{ ready: true }, 'healthy', undefined],
  [{ ready: false }, 'unhealthy', /not ready, says EndpointSlice a/],
  [{ ready: false, serving: false, terminating: false }, 'unhealthy', /not ready/],
  [{ ready: false, serving: true, terminating: true }, 'draining', /it is terminating/],
  [{ ready: false, serving: false, terminating: true }, 'unhealthy', /no longer serves/],
  [{ ready: false, terminating: true }, 'unhealthy', /no longer serves/],
  [{ ready: true, serving: false, terminating: false }, 'healthy', undefined],
]

for (const [given, health, reason] of conditions) {
  t.test(`an endpoint with conditions ${JSON.stringify(given)} is ${health}`, async t => {
    const slice = sliceObject('a', 'web', [endpointOf('10.0.0.1', 'web-0', { conditions: given })])
    const target = translate(serviceObject('web'), [slice]).targets.get('k8s/default/web-0')
    t.equal(target?.health, health)
    if (reason === undefined) t.equal(target?.healthReason, undefined)
    else t.match(target?.healthReason, reason)
  })
}

t.test('a pod that is in two slices for a moment counts as the newer one says', async t => {
  const old = sliceObject('a', 'web', [endpointOf('10.0.0.1', 'web-0', { conditions: { ready: false } })])
  const newer = sliceObject('b', 'web', [endpointOf('10.0.0.1', 'web-0')])
  for (const [slices, health] of [
    [[old, newer], 'healthy'],
    [[newer, old], 'unhealthy'],
  ] as const) {
    const made = translate(serviceObject('web'), slices)
    t.equal(made.service?.endpoints.length, 1)
    t.equal(made.targets.get('k8s/default/web-0')?.health, health)
  }
})

t.test('several slices make up one Service, each with its own port numbers', async t => {
  const one = sliceObject('a', 'web', [endpointOf('10.0.0.1', 'web-0')])
  const other = sliceObject('b', 'web', [endpointOf('10.0.0.2', 'web-1')], {
    ports: [{ name: 'http', port: 9090, protocol: 'TCP' }],
  })
  t.same(translate(serviceObject('web'), [one, other]).service?.endpoints, [
    { workload: 'k8s/default/web-0', ports: { http: 8080 } },
    { workload: 'k8s/default/web-1', ports: { http: 9090 } },
  ])
})

t.test('both families of a pod are workloads of their own', async t => {
  const v4 = sliceObject('a', 'web', [endpointOf('10.0.0.1', 'web-0')])
  const v6 = sliceObject('b', 'web', [endpointOf('fd00:0::1', 'web-0')], { addressType: 'IPv6' })
  const { service, targets } = translate(serviceObject('web'), [v4, v6])
  t.same(
    service?.endpoints.map(endpoint => endpoint.workload),
    ['k8s/default/web-0', 'k8s/default/web-0/ipv6'],
  )
  t.equal(targets.get('k8s/default/web-0/ipv6')?.address, 'fd00::1')
})

t.test('an endpoint without a pod goes by its address', async t => {
  const slice = sliceObject('a', 'web', [endpointOf('192.0.2.7', undefined)])
  const { service, targets } = translate(serviceObject('web'), [slice], () => false)
  t.equal(service?.endpoints[0]?.workload, 'k8s/default/192.0.2.7')
  t.equal(targets.get('k8s/default/192.0.2.7')?.pod, undefined)
})

t.test('an endpoint whose pod is not known is left out by name: nothing is known of its identity', async t => {
  const slice = sliceObject('a', 'web', [endpointOf('10.0.0.1', 'web-0'), endpointOf('10.0.0.2', 'web-1')])
  const made = translate(serviceObject('web'), [slice], key => key === 'default/web-1')
  t.same(
    made.service?.endpoints.map(endpoint => endpoint.workload),
    ['k8s/default/web-1'],
  )
  t.match(made.problems, [{ item: 'EndpointSlice default/a', reason: /"web-0" does not exist/ }])
  t.same([...made.pods], ['default/web-0', 'default/web-1'], 'and it is remembered that it was named')
})

t.test('a slice has no say over pods of another namespace', async t => {
  const foreign = { kind: 'Pod', namespace: 'bank', name: 'vault-0' }
  const slice = sliceObject('a', 'web', [endpointOf('10.0.0.9', undefined, { target: foreign })])
  const { service } = translate(serviceObject('web'), [slice])
  t.equal(service?.endpoints[0]?.workload, 'k8s/default/10.0.0.9')
})

t.test('endpoints by name, and addresses that are none, are left out by name', async t => {
  const names = sliceObject('a', 'web', [endpointOf('db.example.com', undefined)], { addressType: 'FQDN' })
  const nonsense = sliceObject('b', 'web', [endpointOf('10.0.0.300', undefined), endpointOf('fe80::1%eth0', undefined)])
  const { service, problems } = translate(serviceObject('web'), [names, nonsense])
  t.same(service?.endpoints, [])
  t.match(problems, [
    { item: 'EndpointSlice default/a', reason: /names/ },
    { item: 'EndpointSlice default/b', reason: /"10.0.0.300"/ },
    { item: 'EndpointSlice default/b', reason: /eth0/ },
  ])
})

t.test("Istio's annotation says who may see a Service", async t => {
  const exported = (value: string) => {
    const annotations = { 'networking.istio.io/exportTo': value }
    return translate(serviceObject('web', {}, { namespace: 'shop', annotations })).service?.exportTo
  }
  t.same(exported('*'), ['*'])
  t.same(exported('., bank'), ['shop', 'bank'])
  t.same(exported('~'), [])
  t.equal(exported(''), undefined)
})

t.test('names that cannot be names of the mesh are left out by name', async t => {
  const { service, problems } = translate(serviceObject('Not_A_Label'))
  t.equal(service, undefined)
  t.match(problems, [{ reason: /"Not_A_Label" is not a DNS label/ }])
})

t.test('objects with fields of other types are read as far as they go', async t => {
  const odd = { ...serviceObject('web'), spec: { ports: 'http', clusterIPs: [7], type: null } }
  t.equal(translate(odd).service, undefined)
  const slice = { ...sliceObject('a', 'web', []), endpoints: [null, { addresses: 'x' }, 5], ports: [{ port: '80' }] }
  t.same(translate(serviceObject('web'), [slice]).service?.endpoints, [])
})

t.test('a newer slice with an address that is not the pod’s does not hide the one that is right', async t => {
  const slices = ['10.0.0.1', '10.0.0.66'].map((address, at) =>
    sliceObject(`web-${at}`, 'web', [endpointOf(address, 'web-1')]),
  )
  const addressIn = (addresses?: readonly string[]) => {
    const { targets } = translate(serviceObject('web'), slices, () => true, addresses)
    return [...targets.values()].map(({ address }) => address)
  }
  t.same(addressIn(['10.0.0.1']), ['10.0.0.1'])
  t.same(addressIn(), ['10.0.0.66'], 'where only metadata is read the newer one counts')
})
