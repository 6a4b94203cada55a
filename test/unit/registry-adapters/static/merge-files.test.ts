import t from 'tap'
import { mergeFiles } from '../../../../registry-adapters/static/merge-files.ts'
import { parseRegistryFile } from '../../../../registry-adapters/static/registry-file.ts'
import { plain } from '../../../support/catalogue.ts'

/** The view of files by name; they must be without problems of their own. */
function merged(files: Record<string, string>) {
  const contents = Object.entries(files).map(([name, text]) => {
    const { content, problems } = parseRegistryFile(text, name)
    t.same(problems, [], name)
    return content
  })
  return plain(mergeFiles('files', contents))
}

t.test('the short form says services, and workloads with all that is known of them', async t => {
  const { services, workloads, problems } = merged({
    'a.yaml': `services:
  - name: api
    ports: { http: 80, admin: 9090 }
  - name: db
    namespace: data
    ports: [{ name: main, port: 5432, protocol: tls }]
workloads:
  - name: api-1
    node: h2
    address: 10.77.0.2
    serviceAccount: api
    services: { api: { http: 8080 } }
    user: www-data
    labels: { app: api }
    weight: 0
    locality: eu/a
  - { name: db-1, namespace: data, address: "::1", services: { db: 15432 }, uid: 70, cgroup: x.slice/y, unit: db }
`,
  })
  t.same(problems, [])
  t.same(services, [
    {
      namespace: 'data',
      name: 'db',
      hosts: [],
      addresses: [],
      location: 'mesh',
      ports: [{ name: 'main', port: 5432, protocol: 'tls' }],
      endpoints: [{ workload: 'files/data/db-1', ports: { main: 15432 } }],
    },
    {
      namespace: 'default',
      name: 'api',
      hosts: [],
      addresses: [],
      location: 'mesh',
      ports: [
        { name: 'http', port: 80, protocol: 'http' },
        { name: 'admin', port: 9090, protocol: 'auto' },
      ],
      endpoints: [{ workload: 'files/default/api-1', ports: { http: 8080 } }],
    },
  ])
  t.match(workloads, [
    { id: 'files/data/db-1', callers: [{ uid: 70 }, { path: 'x.slice/y' }, { path: 'system.slice/db.service' }] },
    { id: 'files/default/api-1', node: 'h2', serviceAccount: 'api', weight: 0, callers: [{ user: 'www-data' }] },
  ])
})

t.test('endpoints of one service come together from any number of files and forms', async t => {
  const { services, problems } = merged({
    'a.yaml': 'workloads: [{ name: one, address: 10.0.0.1, services: { api: 81 } }]',
    'b.yaml': 'services: [{ name: api, ports: { http: 80 } }]',
    'c.json': '{"workloads":[{"name":"two","address":"10.0.0.2","services":{"api":{"http":82}}}]}',
  })
  t.same(problems, [])
  t.match(services, [
    {
      endpoints: [
        { workload: 'files/default/one', ports: { http: 81 } },
        { workload: 'files/default/two', ports: { http: 82 } },
      ],
    },
  ])
})

t.test('a name declared again is left out, naming both places', async t => {
  const entry = `apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: one }
spec: { address: 10.0.0.9 }
`
  const { services, workloads, problems } = merged({
    'a.yaml': 'services: [{ name: api, ports: { http: 80 } }]\nworkloads: [{ name: one, address: 10.0.0.1 }]\n',
    'b.yaml': 'services:\n  - name: api\n    ports: { http: 81 }\n',
    'c.yaml': entry,
  })
  t.match(services, [{ ports: [{ port: 80 }] }])
  t.match(workloads, [{ address: '10.0.0.1' }])
  t.same(problems, [
    { item: 'b.yaml:2:5', reason: 'service default/api is declared at a.yaml:1:12 too, that one is used' },
    { item: 'c.yaml:2:7', reason: 'workload default/one is declared at a.yaml:2:13 too, that one is used' },
  ])
})

t.test('the same name in another namespace, or of a service and a workload, is another thing', async t => {
  const { problems } = merged({
    'a.yaml':
      'services: [{ name: x, ports: {} }, { name: x, namespace: n, ports: {} }]\nworkloads: [{ name: x, address: 10.0.0.1 }]',
  })
  t.same(problems, [])
})

t.test('what a workload says wrongly of a service is left out with its place, the workload stays', async t => {
  const { services, workloads, problems } = merged({
    'a.yaml': `services: [{ name: api, ports: { http: 80, admin: 81 } }]
workloads:
  - { name: one, address: 10.0.0.1, services: { api: 8080 } }
  - { name: two, address: 10.0.0.2, services: { api: { htp: 8080 } } }
  - { name: three, address: 10.0.0.3, services: { nowhere: 1, api: { http: 8080 } } }
`,
  })
  t.equal(workloads.length, 3)
  t.match(services, [{ endpoints: [{ workload: 'files/default/three' }] }])
  t.match(problems, [
    { item: 'a.yaml:3:5', reason: /default\/one is not behind api: service api has 2 ports/ },
    { item: 'a.yaml:4:5', reason: /default\/two is not behind api: service api has no port htp, it has http, admin/ },
    { item: 'a.yaml:5:5', reason: /service default\/nowhere is declared nowhere/ },
  ])
})

t.test('problems of the mapping are placed in their file', async t => {
  const { problems } = merged({
    'a.yaml': `apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: one, annotations: { weft.dev/group: none } }
spec: { address: 10.0.0.9 }
`,
  })
  t.match(problems, [
    { item: 'a.yaml:2:7', reason: /^WorkloadEntry default\/one is of the WorkloadGroup default\/none/ },
  ])
})

t.test('the short form is as strict as resources are', async t => {
  const said = (text: string) =>
    parseRegistryFile(text, 'f').problems.map(({ path, message, didYouMean }) => [path, message, didYouMean])
  t.same(said('service: []'), [['service', 'is not a field', 'services']])
  t.same(said('workloads: [{ name: a, address: 10.0.0.1, sevices: {} }]'), [
    ['workloads[0].sevices', 'is not a field', 'services'],
  ])
  t.match(said('workloads: [{ name: a, address: 10.0.0.1, services: { api: { http: 70000 } } }]'), [
    ['workloads[0].services.api.http', 'must be at most 65535', undefined],
  ])
  t.match(said('services: [{ name: a, ports: { "a b": 1 } }]'), [
    ['services[0].ports["a b"]', /letters, digits and dashes/, undefined],
  ])
  t.match(said('services: [{ name: a, ports: [{ name: x, port: 1, protcol: tcp }] }]'), [
    ['services[0].ports[0].protcol', 'is not a field', 'protocol'],
  ])
  t.match(said('services: [{ name: a, ports: [{ name: x, port: 1 }, { name: x, port: 2 }] }]'), [
    ['services[0].ports[1].name', /earlier port/, undefined],
  ])
  t.match(said('services: [{ name: a, ports: 80 }]'), [['services[0].ports', /./, undefined]])
  t.match(said('workloads: [{ name: a, address: 10.0.0.1, uid: -1 }]'), [
    ['workloads[0].uid', 'is not a user id', undefined],
  ])
  t.match(said('apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: { name: p }\n'), [
    ['kind', /no part of a registry/, undefined],
  ])
  const rule =
    'apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: { name: p }\nspec: { host: cart }\n'
  t.match(said(rule), [['kind', 'DestinationRule is no part of a registry, hand it to weft apply', undefined]])
})
