import t from 'tap'
import { parseResources } from '../../../../mesh/resources/parse.ts'
import { snapshotFromResources } from '../../../../mesh/resources/to-model.ts'
import { plain } from '../../../support/catalogue.ts'

const v1 = 'apiVersion: networking.istio.io/v1'

function snapshot(...documents: string[]) {
  const parsed = parseResources(documents.join('\n---\n'), 'f.yaml')
  t.same(parsed.problems, [])
  return plain(snapshotFromResources('ops', parsed.resources))
}

function entry(name: string, spec: string, metadata = ''): string {
  return `{ ${v1}, kind: WorkloadEntry, metadata: { name: ${name}, ${metadata} }, spec: { ${spec} } }`
}

function service(name: string, spec: string, metadata = ''): string {
  return `{ ${v1}, kind: ServiceEntry, metadata: { name: ${name}, ${metadata} }, spec: { ${spec} } }`
}

t.test('a WorkloadEntry is a workload, its node and callers by annotations', async t => {
  const annotations = 'weft.dev/node: h1, weft.dev/uid: "33", weft.dev/user: www-data, weft.dev/unit: my-api@1'
  const spec = 'address: "2001:DB8::0001", serviceAccount: api, weight: 5, locality: eu/a, labels: { app: api, v: "1" }'
  const { workloads, services, problems } = snapshot(
    entry('api-1', spec, `namespace: shop, labels: { v: "2" }, annotations: { ${annotations} }`),
  )
  t.same(problems, [])
  t.same(services, [])
  t.same(workloads, [
    {
      id: 'ops/shop/api-1',
      registry: 'ops',
      namespace: 'shop',
      name: 'api-1',
      address: '2001:db8::1',
      node: 'h1',
      serviceAccount: 'api',
      labels: { app: 'api', v: '2' },
      locality: { region: 'eu', zone: 'a', subzone: '' },
      weight: 5,
      health: 'healthy',
      callers: [
        { kind: 'uid', uid: 33 },
        { kind: 'user', user: 'www-data' },
        { kind: 'cgroup', path: 'system.slice/system-my\\x2dapi.slice/my-api@1.service' },
      ],
    },
  ])
})

t.test('what is not said gets no node, no identity and an even share', async t => {
  const [bare, zero] = snapshot(entry('a', 'address: 10.0.0.1'), entry('b', 'address: 10.0.0.2, weight: 0')).workloads
  t.notOk(bare !== undefined && ('node' in bare || 'serviceAccount' in bare))
  t.match(bare, { weight: 1, labels: {}, callers: [], locality: { region: '', zone: '', subzone: '' } })
  t.equal(zero?.weight, 1, 'Istio reads 0 as nothing said')
})

t.test('a selector takes the WorkloadEntries of its namespace that carry its labels', async t => {
  const ports = 'ports: [{ number: 80, name: http, targetPort: 8080 }, { number: 90, name: tls-admin }]'
  const spec = `hosts: [API.example.com.], location: MESH_INTERNAL, resolution: STATIC, ${ports}`
  const { services } = snapshot(
    service('api', `${spec}, workloadSelector: { labels: { app: api } }`),
    entry('api-1', 'address: 10.0.0.1, labels: { app: api }, ports: { http: 9000 }'),
    entry('api-2', 'address: 10.0.0.2', 'labels: { app: api }'),
    entry('web-1', 'address: 10.0.0.3, labels: { app: web }'),
    entry('api-3', 'address: 10.0.0.4, labels: { app: api }', 'namespace: other'),
  )
  t.same(services, [
    {
      namespace: 'default',
      name: 'api',
      hosts: ['api.example.com'],
      addresses: [],
      location: 'mesh',
      ports: [
        { name: 'http', port: 80, protocol: 'http' },
        { name: 'tls-admin', port: 90, protocol: 'tls' },
      ],
      endpoints: [
        { workload: 'ops/default/api-1', ports: { http: 9000, 'tls-admin': 90 } },
        { workload: 'ops/default/api-2', ports: { http: 8080, 'tls-admin': 90 } },
      ],
    },
  ])
})

t.test('the network of an endpoint is a label, where none is written', async t => {
  const label = 'topology.istio.io/network'
  const group = `{ ${v1}, kind: WorkloadGroup, metadata: { name: g }, spec: { template: { network: blue } } }`
  const ofGroup = 'annotations: { weft.dev/group: g }'
  const api = 'hosts: [api.example], resolution: STATIC, ports: [{ number: 80, name: http }]'
  const db = 'hosts: [db.example], resolution: DNS, ports: [{ number: 80, name: http }]'
  const { workloads, services } = snapshot(
    group,
    entry('a', 'address: 10.0.0.1, network: red'),
    entry('b', `address: 10.0.0.2, network: red, labels: { ${label}: green }`),
    entry('c', 'address: 10.0.0.3', ofGroup),
    entry('d', 'address: 10.0.0.4, network: red', ofGroup),
    entry('e', 'address: 10.0.0.5, network: ""'),
    service('api', `${api}, endpoints: [{ address: 10.0.0.6, network: inline, labels: { app: api } }]`),
    service('db', `${db}, endpoints: [{ address: db-1.example, network: far }]`),
    service('reds', `hosts: [reds.example], resolution: STATIC, workloadSelector: { labels: { ${label}: red } }`),
  )
  t.same(
    workloads.map(({ labels }) => labels),
    [
      { [label]: 'red' },
      { app: 'api', [label]: 'inline' },
      { [label]: 'green' },
      { [label]: 'blue' },
      { [label]: 'red' },
      {},
    ],
  )
  t.same(services.find(({ name }) => name === 'db')?.dnsEndpoints?.[0]?.labels, { [label]: 'far' })
  t.same(
    services.find(({ name }) => name === 'reds')?.endpoints.map(({ workload }) => workload),
    ['ops/default/a', 'ops/default/d'],
  )
})

t.test('a selector without labels takes all of its namespace', async t => {
  const { services } = snapshot(
    service('all', 'hosts: [a.b], resolution: STATIC, workloadSelector: {}'),
    entry('a', 'address: 10.0.0.1'),
    entry('b', 'address: 10.0.0.2', 'namespace: other'),
  )
  t.same(services[0]?.endpoints, [{ workload: 'ops/default/a', ports: {} }])
})

t.test('inline endpoints become workloads of their own, outside the mesh by default', async t => {
  const ports = 'ports: [{ number: 443, name: web, protocol: HTTPS }, { number: 5432, name: grpc-x, protocol: TCP }]'
  const endpoints = 'endpoints: [{ address: 10.1.0.1, ports: { web: 8443 }, weight: 3 }, { address: 10.1.0.1 }]'
  const made = snapshot(
    service('db', `hosts: [db.example], addresses: [10.9.9.9], resolution: STATIC, ${ports}, ${endpoints}`),
  )
  t.match(made.services, [
    {
      location: 'external',
      addresses: ['10.9.9.9'],
      ports: [
        { name: 'web', port: 443, protocol: 'tls' },
        { name: 'grpc-x', port: 5432, protocol: 'tcp' },
      ],
      endpoints: [
        { workload: 'ops/default/db/10.1.0.1', ports: { web: 8443, 'grpc-x': 5432 } },
        { workload: 'ops/default/db/10.1.0.1#2', ports: { web: 443, 'grpc-x': 5432 } },
      ],
    },
  ])
  t.match(made.workloads, [
    { id: 'ops/default/db/10.1.0.1', name: 'db-10-1-0-1', address: '10.1.0.1', weight: 3 },
    { id: 'ops/default/db/10.1.0.1#2', name: 'db-10-1-0-1-2', address: '10.1.0.1', weight: 1 },
  ])
})

t.test('with resolution NONE the one address is the endpoint', async t => {
  const made = snapshot(
    service('db', 'hosts: [db.example], addresses: [10.9.9.9], ports: [{ number: 5432, name: tcp }]'),
  )
  t.match(made.services, [{ endpoints: [{ workload: 'ops/default/db/10.9.9.9', ports: { tcp: 5432 } }] }])
  t.match(made.workloads, [{ address: '10.9.9.9' }])
})

t.test('with resolution NONE connections go on where nothing can be listed', async t => {
  const port = 'ports: [{ number: 443, name: tls }]'
  const rows = [
    'hosts: [a.example]',
    'hosts: ["*.a.example"], addresses: [10.0.0.1]',
    'hosts: [a.example], addresses: [10.0.0.0/8]',
  ]
  for (const spec of [...rows, 'hosts: [a.example], addresses: [10.0.0.1, 10.0.0.2]']) {
    const { services, workloads } = snapshot(service('ext', `${spec}, ${port}`))
    t.match(services, [{ resolution: 'none', endpoints: [] }], spec)
    t.same(workloads, [], spec)
  }
})

t.test('with resolution DNS names are resolved: of the endpoints, else of the host', async t => {
  const ports = 'ports: [{ number: 443, name: tls, targetPort: 8443 }, { number: 80, name: http }]'
  const [host] = snapshot(service('ext', `hosts: [A.Example.], resolution: DNS, ${ports}`)).services
  const unknown = { region: '', zone: '', subzone: '' }
  t.match(host, { resolution: 'dns', endpoints: [] })
  t.same(host?.dnsEndpoints, [
    { name: 'a.example', ports: { tls: 8443, http: 80 }, weight: 1, labels: {}, locality: unknown },
  ])
  const named = '{ address: B.example, weight: 3, labels: { v: b }, locality: eu/a, ports: { tls: 9443 } }'
  const mixed = snapshot(
    service('ext', `hosts: [a.example], resolution: DNS, ${ports}, endpoints: [${named}, { address: 10.0.0.1 }]`),
  )
  t.same(mixed.services[0]?.dnsEndpoints, [
    {
      name: 'b.example',
      ports: { tls: 9443, http: 80 },
      weight: 3,
      labels: { v: 'b' },
      locality: { region: 'eu', zone: 'a', subzone: '' },
    },
  ])
  t.match(mixed.services[0]?.endpoints, [{ workload: 'ops/default/ext/10.0.0.1' }], 'addresses are endpoints as ever')
  const first = `hosts: [a.example], resolution: DNS_ROUND_ROBIN, subjectAltNames: [spiffe://x/y], ${ports}`
  t.match(snapshot(service('ext', first)).services, [
    { resolution: 'dns-round-robin', subjectAltNames: ['spiffe://x/y'], dnsEndpoints: [{ name: 'a.example' }] },
  ])
})

t.test('an entry with a name is looked up by the callers of the services that choose it', async t => {
  const ports = 'ports: [{ number: 80, name: http, targetPort: 8080 }]'
  const spec = 'address: Old.Example., weight: 2, locality: eu/a, ports: { http: 9090 }, labels: { app: api, v: old }'
  const chosen = (resolution: string) =>
    snapshot(
      entry('old', spec),
      entry('new', 'address: 10.0.0.1, labels: { app: api }'),
      service('api', `hosts: [a.b], resolution: ${resolution}, ${ports}, workloadSelector: { labels: { app: api } }`),
    )
  const locality = { region: 'eu', zone: 'a', subzone: '' }
  const named = { name: 'old.example', ports: { http: 9090 }, weight: 2, labels: { app: 'api', v: 'old' }, locality }
  for (const resolution of ['STATIC', 'DNS']) {
    const { services, workloads } = chosen(resolution)
    t.same(services[0]?.dnsEndpoints, [named], resolution)
    t.same(services[0]?.endpoints, [{ workload: 'ops/default/new', ports: { http: 8080 } }], resolution)
    t.same(
      [...workloads].map(({ id }) => id),
      ['ops/default/new'],
      'it is no workload of its own',
    )
  }
  t.equal(chosen('STATIC').services[0]?.resolution, undefined)
})

t.test('an entry takes from its group what it does not say itself', async t => {
  const group = `{ ${v1}, kind: WorkloadGroup, metadata: { name: apis }, spec: { metadata: { labels: { app: api, v: "1" },
    annotations: { weft.dev/user: api } }, template: { serviceAccount: api, ports: { http: 8080 }, locality: eu/a, weight: 3 } } }`
  const spec = 'address: 10.0.0.1, locality: eu/b, labels: { v: "2" }'
  const member = entry('api-1', spec, 'annotations: { weft.dev/group: apis, weft.dev/node: h1 }')
  const http = 'hosts: [a.b], resolution: STATIC, ports: [{ number: 80, name: http }]'
  const made = snapshot(group, member, service('s', `${http}, workloadSelector: { labels: { app: api } }`))
  t.same(made.problems, [])
  t.match(made.workloads, [
    {
      serviceAccount: 'api',
      node: 'h1',
      labels: { app: 'api', v: '2' },
      locality: { region: 'eu', zone: 'b' },
      weight: 3,
      callers: [{ kind: 'user', user: 'api' }],
    },
  ])
  t.same(made.services[0]?.endpoints, [{ workload: 'ops/default/api-1', ports: { http: 8080 } }])
})

t.test('an entry of a group that does not exist is left out by name, others stay', async t => {
  const lost = entry('lost', 'address: 10.0.0.1', 'annotations: { weft.dev/group: nobody }')
  const { workloads, problems } = snapshot(lost, entry('fine', 'address: 10.0.0.2'))
  t.match(workloads, [{ name: 'fine' }])
  t.match(problems, [{ item: 'WorkloadEntry default/lost', reason: /WorkloadGroup default\/nobody.*does not exist/ }])
})

t.test('a resource declared twice is used once, and said', async t => {
  const { workloads, problems } = snapshot(entry('a', 'address: 10.0.0.1'), entry('a', 'address: 10.0.0.2'))
  t.match(workloads, [{ address: '10.0.0.1' }])
  t.match(problems, [{ item: 'WorkloadEntry default/a', reason: /twice/ }])
})

t.test('policies are no part of a registry', async t => {
  const policy = '{ apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: { name: p } }'
  t.same(snapshot(policy), { services: [], workloads: [], problems: [] })
})

t.test('a service is shown to the namespaces it is exported to, its own by a dot, none by a tilde', async t => {
  const exported = (names: string) => {
    return snapshot(service('a', `hosts: [a.b], resolution: STATIC, exportTo: ${names}`)).services[0]?.exportTo
  }
  t.same(exported('[".", billing]'), ['default', 'billing'])
  t.same(exported('["~"]'), [])
  t.equal(exported('["*"]'), undefined)
  t.equal(exported('[]'), undefined)
})
