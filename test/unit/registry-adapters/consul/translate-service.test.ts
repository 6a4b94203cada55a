import t from 'tap'
import { translateService } from '../../../../registry-adapters/consul/translate-service.ts'
import { consulInstance, plainContext } from '../../../support/consul-instance.ts'

const context = plainContext
type Part = Parameters<typeof consulInstance>[0]
const instance = (part: Part = {}) => consulInstance({ address: '10.77.0.1', port: 8080, ...part })

const translate = (...parts: Part[]) => translateService('api', parts.map(instance), context)
const reasons = (...parts: Part[]) => translate(...parts).problems.map(problem => problem.reason)

t.test('an instance becomes a workload and an endpoint', async t => {
  const { services, workloads, problems } = translate({})
  t.same(services, [
    {
      namespace: 'default',
      name: 'api',
      hosts: [],
      addresses: [],
      location: 'mesh',
      ports: [{ name: 'auto', port: 8080, protocol: 'auto' }],
      endpoints: [{ workload: 'consul/vm-1/api-1', ports: { auto: 8080 } }],
    },
  ])
  t.same(workloads, [
    {
      id: 'consul/vm-1/api-1',
      registry: 'consul',
      namespace: 'default',
      name: 'api',
      address: '10.77.0.1',
      node: 'vm-1',
      labels: { app: 'api' },
      locality: { region: 'dc1', zone: '', subzone: '' },
      weight: 1,
      health: 'healthy',
      callers: [],
    },
  ])
  t.same(problems, [])
})

t.test('without an address of its own an instance has its node’s', async t => {
  t.equal(translate({ address: '' }).workloads[0]?.address, '10.99.0.1')
  t.equal(translate({ address: 'FD00:0::1' }).workloads[0]?.address, 'fd00::1', 'in its one spelling')
})

t.test('settings come from meta with dashes and from tags with dots, meta first', async t => {
  const { services, workloads } = translate({
    meta: {
      'weft-protocol': 'grpc',
      'weft-port': '80',
      'weft-node': 'host-7',
      'weft-uid': '1001',
      'weft-locality': 'eu/a/r1',
    },
    tags: ['weft.protocol=tcp', 'weft.service-account=payments', 'weft.namespace=shop'],
  })
  t.same(services[0]?.ports, [{ name: 'grpc', port: 80, protocol: 'grpc' }])
  t.same(services[0]?.endpoints[0]?.ports, { grpc: 8080 })
  const [workload] = workloads
  t.equal(workload?.namespace, 'shop')
  t.equal(workload?.serviceAccount, 'payments')
  t.equal(workload?.node, 'host-7')
  t.same(workload?.callers, [{ kind: 'uid', uid: 1001 }])
  t.same(workload?.locality, { region: 'eu', zone: 'a', subzone: 'r1' })
  t.same(workload?.labels, { app: 'api' }, 'settings are no labels')
})

t.test('an identity is there only when something names it', async t => {
  t.equal(translate({}).workloads[0]?.serviceAccount, undefined)
  const named = translateService('api', [instance()], { ...context, defaultServiceAccount: 'service-name' })
  t.equal(named.workloads[0]?.serviceAccount, 'api')
})

t.test('the locality of a node is its meta, or its datacentre as the region', async t => {
  const { workloads } = translate({ node: { meta: { 'weft-locality': 'us/b' } } })
  t.same(workloads[0]?.locality, { region: 'us', zone: 'b', subzone: '' })
})

t.test('what could send traffic elsewhere or in the clear leaves the instance out, by name', async t => {
  const wrong: [Part, RegExp][] = [
    [{ meta: { 'weft-namespace': 'Not_A_Label' } }, /namespace "Not_A_Label" is not a DNS label/],
    [{ meta: { 'weft-service-account': 'a/b' } }, /service account "a\/b"/],
    [{ address: 'host.example' }, /"host.example" is not an IP address/],
    [{ address: 'fe80::1%eth0' }, /is not an IP address/],
    [{ address: '', node: { address: '' } }, /is not an IP address/],
    [{ port: 70_000 }, /port 70000/],
    [{ port: -1 }, /port -1/],
    [{ port: 80.5 }, /port 80.5/],
    [{ node: { name: 'a/b' } }, /node name "a\/b"/],
    [{ node: { name: '' } }, /node name ""/],
    [{ kind: 'brand-new' }, /kind "brand-new"/],
  ]
  for (const [part, reason] of wrong) {
    const { services, workloads, problems } = translate(part, { id: 'api-2', address: '10.77.0.2' })
    t.same(
      workloads.map(workload => workload.name),
      ['api'],
      String(reason),
    )
    t.equal(services[0]?.endpoints.length, 1)
    t.equal(problems.length, 1)
    t.ok(problems[0]?.item.endsWith('/api-1'))
    t.match(problems[0]?.reason, reason)
  }
})

t.test('a service name that is no DNS label is left out and never rewritten', async t => {
  for (const name of ['Api', 'my_api', '-api', 'a.b', 'x'.repeat(64), '']) {
    const { services, workloads, problems } = translateService(name, [instance()], context)
    t.same([services, workloads], [[], []])
    t.equal(problems[0]?.item, 'vm-1/api-1')
    t.match(problems[0]?.reason, /not a DNS label/)
  }
})

t.test('other wrong settings are left out alone', async t => {
  const { workloads, problems } = translate({
    meta: { 'weft-protocol': 'htpp', 'weft-port': '0', 'weft-uid': 'root', 'weft-prtocol': 'x' },
    tags: ['weft.user=a', 'weft.user=b'],
  })
  t.equal(workloads.length, 1)
  t.same(workloads[0]?.callers, [{ kind: 'user', user: 'a' }])
  t.same(
    problems.map(problem => problem.reason),
    [
      'service "api": unknown setting "weft-prtocol", did you mean weft-protocol?',
      'service "api": weft-user is said more than once, "a" is used',
      'service "api": weft-uid "root" is not valid and selects no caller',
      'service "api": weft-port "0" is not a port',
      'service "api": weft-protocol "htpp" is none of auto, tcp, tls, http, http2, grpc',
    ],
  )
})

t.test('proxies of Consul’s own mesh and Consul itself are skipped without a word', async t => {
  for (const kind of ['connect-proxy', 'mesh-gateway', 'ingress-gateway', 'terminating-gateway', 'api-gateway']) {
    const { services, workloads, problems } = translate({ kind })
    t.same([services, workloads, problems], [[], [], []])
  }
  t.same(translateService('consul', [instance()], context).workloads, [])
})

t.test('an instance without a port calls and is not called', async t => {
  const { services, workloads, problems } = translate({ port: 0 })
  t.same([services, problems], [[], []])
  t.equal(workloads.length, 1)
})

t.test('callers use the port that most instances have, and each endpoint keeps its own', async t => {
  const { services, problems } = translate(
    { id: 'a', port: 9000 },
    { id: 'b', port: 8080 },
    { id: 'c', port: 8080 },
    { id: 'd', port: 7000 },
  )
  t.equal(services[0]?.ports[0]?.port, 8080)
  t.same(
    services[0]?.endpoints.map(endpoint => endpoint.ports.auto),
    [9000, 8080, 8080, 7000],
  )
  t.same(problems, [], 'different ports are usual where a scheduler gives them')
})

t.test('contradicting settings of one service are named, and the most frequent one counts', async t => {
  const parts = ['80', '80', '81'].map((port, at) => ({ id: `i${at}`, meta: { 'weft-port': port } }))
  t.equal(translate(...parts).services[0]?.ports[0]?.port, 80)
  t.same(reasons(...parts), ['its instances name different ports with weft-port: callers use 80'])
  const protocols = ['http', 'tcp'].map((protocol, at) => ({ id: `i${at}`, meta: { 'weft-protocol': protocol } }))
  t.same(reasons(...protocols), ['its instances name different protocols: http is used'])
})

t.test('a service that spans namespaces becomes one in each', async t => {
  const { services } = translate({ id: 'a', meta: { 'weft-namespace': 'shop' } }, { id: 'b' })
  t.same(
    services.map(({ namespace, endpoints }) => [namespace, endpoints.length]),
    [
      ['default', 1],
      ['shop', 1],
    ],
  )
})

t.test('the same instance twice is named and used once', async t => {
  const { workloads, problems } = translate({}, { address: '10.77.0.2' })
  t.equal(workloads.length, 1)
  t.match(problems[0]?.reason, /registered twice/)
})

t.test('the order of the answer does not matter', async t => {
  const parts: Part[] = [{ id: 'b' }, { id: 'a' }, { id: 'a', node: { name: 'vm-0' } }]
  t.same(translate(...parts).workloads, translate(...parts.toReversed()).workloads)
})
