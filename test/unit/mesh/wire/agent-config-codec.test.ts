import t from 'tap'
import type { AgentResource } from '../../../../mesh/model/agent-config.ts'
import { resourceName } from '../../../../mesh/model/agent-config.ts'
import { unknownLocality } from '../../../../mesh/model/locality.ts'
import { type Probe, type ProbeCheck, probeDefaults } from '../../../../mesh/model/probe.ts'
import { decodeResource, encodeResource, hashOf } from '../../../../mesh/wire/agent-config-codec.ts'
import { schema } from '../../../../mesh/wire/schema.ts'
import { testAuthority } from '../../../support/authority.ts'
import { endpoint, hostResource, serviceResource, trustResource, workloadResource } from '../../../support/resources.ts'

const { root } = testAuthority(Date.now())
const { defaultIdentity: _, ...hostWithoutDefault } = hostResource
const { identity: __, ...plainEndpoint } = endpoint
const { identity: ___, ...workloadOutside } = workloadResource

const dnsEndpoint = { name: 'a.example', ports: { http: 80 }, weight: 1, labels: {}, locality: unknownLocality }

const checks: readonly ProbeCheck[] = [
  { kind: 'http', scheme: 'http', port: 8080, path: '/', headers: [] },
  {
    kind: 'http',
    scheme: 'https',
    host: 'api.example',
    port: 8443,
    path: '/healthz?deep=1',
    headers: [
      ['x-a', '1'],
      ['x-a', ''],
    ],
  },
  { kind: 'tcp', port: 8080 },
  { kind: 'tcp', host: '127.0.0.1', port: 1 },
  { kind: 'grpc', port: 9000, service: '' },
  { kind: 'exec', command: ['sh', '-c', 'test -e /run/api.sock\ntest -e /run/api.pid'] },
  { kind: 'unit', unit: 'api@1.service' },
]

const resources: readonly AgentResource[] = [
  hostResource,
  hostWithoutDefault,
  { ...hostResource, rootNamespace: '' },
  trustResource(),
  trustResource([root, root], Number.MAX_SAFE_INTEGER),
  { ...trustResource([root, root]), tainted: ['ab'.repeat(32)], renewWithinMs: 60_000 },
  {
    ...trustResource([root]),
    retired: [root],
    bannedIdentities: ['spiffe://mesh.test/ns/shop/sa/web'],
    bannedKeys: ['cd'.repeat(32)],
  },
  workloadResource,
  { ...workloadOutside, ports: [], callers: [], labels: {}, probes: [] },
  { ...workloadResource, probes: checks.map(check => ({ ...probeDefaults, check })) },
  serviceResource('api'),
  { ...serviceResource('cart'), exportTo: ['shop', '*'], ports: [{ name: '80', port: 80, protocol: 'auto' }] },
  {
    ...serviceResource('any'),
    external: true,
    hosts: ['*.bank.example'],
    addresses: ['192.0.2.0/24'],
    resolution: 'none',
  },
  {
    ...serviceResource('mail'),
    resolution: 'dns-round-robin',
    subjectAltNames: ['mail.example'],
    dnsEndpoints: [
      {
        name: 'mx.mail.example',
        ports: { smtp: 25 },
        weight: 2.5,
        labels: { tier: 'a' },
        locality: { region: 'eu', zone: '', subzone: '' },
      },
    ],
  },
  { ...serviceResource('bank'), external: true, endpoints: [plainEndpoint], addresses: ['192.0.2.1', '2001:db8::1'] },
]

t.test('every kind of resource comes back as it was', async t => {
  for (const resource of resources) {
    const { name, hash, body } = encodeResource(resource)
    t.equal(name, resourceName(resource))
    t.equal(hash, hashOf(body))
    t.match(hash, /^[0-9a-f]{32}$/)
    t.same(decodeResource(name, body), resource, name)
  }
})

t.test('the same value gives the same bytes whatever the order of its maps', async t => {
  const turned = Object.fromEntries(Object.entries(workloadResource.labels).reverse())
  t.equal(encodeResource({ ...workloadResource, labels: turned }).hash, encodeResource(workloadResource).hash)
  t.not(encodeResource({ ...workloadResource, labels: {} }).hash, encodeResource(workloadResource).hash)
})

t.test('a label called __proto__ is a label', async t => {
  const labels = Object.fromEntries([['__proto__', 'x']])
  const { name, body } = encodeResource({ ...workloadResource, labels })
  const decoded = decodeResource(name, body)
  t.same(decoded.kind === 'workload' && Object.entries(decoded.labels), [['__proto__', 'x']])
  t.equal(Object.getPrototypeOf({}), Object.prototype)
})

t.test('a body that holds something else than its name is refused', async t => {
  const { body } = encodeResource(serviceResource('api'))
  t.throws(() => decodeResource('service/shop/web', body), { code: 'WEFT_WIRE', message: /service\/shop\/api/ })
  t.throws(() => decodeResource('host', body), { code: 'WEFT_WIRE' })
})

t.test('values out of range are refused by resource and field', async t => {
  const service = serviceResource('api')
  const name = resourceName(service)
  const wrong: readonly [AgentResource, string][] = [
    [{ ...hostResource, node: '' }, 'resource host.host.node'],
    [{ ...hostResource, defaultIdentity: '' }, 'resource host.host.defaultIdentity'],
    [{ ...hostResource, dnsDomain: 'Mesh.' }, 'resource host.host.dnsDomain'],
    [{ ...hostResource, virtualIpRanges: ['240.240.0.0/33'] }, 'resource host.host.virtualIpRanges[0]'],
    [{ ...hostResource, virtualIpRanges: ['240.240.0.0'] }, 'resource host.host.virtualIpRanges[0]'],
    [trustResource(['no pem']), 'resource trust.trust.roots[0]'],
    [trustResource([], 2 ** 53), 'resource trust.trust.sequence'],
    [{ ...trustResource(), bannedKeys: ['AB'.repeat(32)] }, 'resource trust.trust.bannedKeys[0]'],
    [{ ...trustResource(), bannedIdentities: [''] }, 'resource trust.trust.bannedIdentities[0]'],
    [{ ...trustResource(), tainted: ['ab'] }, 'resource trust.trust.tainted[0]'],
    [{ ...trustResource(), retired: ['no pem'] }, 'resource trust.trust.retired[0]'],
    [{ ...service, virtualIps: ['240.240.0'] }, `resource ${name}.service.virtualIps[0]`],
    [{ ...service, virtualIps: ['fe80::1%eth0'] }, `resource ${name}.service.virtualIps[0]`],
    [{ ...service, addresses: ['192.0.2.0/33'] }, `resource ${name}.service.addresses[0]`],
    [
      { ...service, dnsEndpoints: [{ ...dnsEndpoint, name: 'A.example' }] },
      `resource ${name}.service.dnsEndpoints[0].name`,
    ],
    [{ ...service, dnsEndpoints: [{ ...dnsEndpoint, weight: -1 }] }, `resource ${name}.service.dnsEndpoints[0].weight`],
    [{ ...service, hosts: ['API.shop.mesh'] }, `resource ${name}.service.hosts[0]`],
    [{ ...service, ports: [{ name: 'http', port: 0, protocol: 'tcp' }] }, `resource ${name}.service.ports[0].port`],
    [{ ...service, ports: [{ name: 'http', port: 65536, protocol: 'tcp' }] }, `resource ${name}.service.ports[0].port`],
    [
      { ...service, ports: [1, 2].map(port => ({ name: 'http', port, protocol: 'tcp' })) },
      `resource ${name}.service.ports`,
    ],
    [{ ...service, endpoints: [{ ...endpoint, address: 'api' }] }, `resource ${name}.service.endpoints[0].address`],
    [{ ...service, endpoints: [{ ...endpoint, weight: -1 }] }, `resource ${name}.service.endpoints[0].weight`],
    [{ ...service, endpoints: [{ ...endpoint, weight: Number.NaN }] }, `resource ${name}.service.endpoints[0].weight`],
    [
      { ...service, endpoints: [{ ...endpoint, ports: { http: 0 } }] },
      `resource ${name}.service.endpoints[0].ports.http`,
    ],
    [{ ...service, endpoints: [{ ...endpoint, identity: '' }] }, `resource ${name}.service.endpoints[0].identity`],
    ...['/etc', 'a/../b', 'a//b', ''].map((path): [AgentResource, string] => [
      { ...workloadResource, callers: [{ kind: 'cgroup', path }] },
      'resource static/api-1.workload.callers[0].cgroupPath'.replace('static', 'workload/static'),
    ]),
  ]
  const probe = (values: Partial<Probe>, field: string): [AgentResource, string] => [
    { ...workloadResource, probes: [{ ...probeDefaults, check: { kind: 'tcp', port: 1 }, ...values }] },
    `resource workload/static/api-1.workload.probes[0]${field}`,
  ]
  const http = { kind: 'http', scheme: 'http', port: 80, path: '/', headers: [] } as const
  const wrongProbes = [
    probe({ periodMs: 99 }, '.periodMs'),
    probe({ timeoutMs: 0 }, '.timeoutMs'),
    probe({ failureThreshold: 0 }, '.failureThreshold'),
    probe({ initialDelayMs: 2 ** 31 }, '.initialDelayMs'),
    probe({ check: { kind: 'tcp', port: 0 } }, '.tcp.port'),
    probe({ check: { ...http, path: 'healthz' } }, '.http.path'),
    probe({ check: { ...http, path: '/a b' } }, '.http.path'),
    probe({ check: { ...http, headers: [['a b', '']] } }, '.http.headers[0].name'),
    probe({ check: { ...http, headers: [['a', '\u2603']] } }, '.http.headers[0].value'),
    probe({ check: { kind: 'exec', command: [] } }, '.exec.command'),
    probe({ check: { kind: 'exec', command: ['a', 'b\0'] } }, '.exec.command[1]'),
    probe({ check: { kind: 'unit', unit: 'api service' } }, '.unit.unit'),
    probe({ check: { kind: 'unit', unit: '--help' } }, '.unit.unit'),
  ]
  for (const [resource, field] of [...wrong, ...wrongProbes]) {
    const { name: own, body } = encodeResource(resource)
    t.throws(() => decodeResource(own, body), { code: 'WEFT_WIRE', fields: { field } }, field)
  }
})

t.test('enum values and kinds that this build does not know are refused by name', async t => {
  const port = { port: 80, mtls: 1, mtlsFrom: '', service: '' }
  const workload = { ...workloadResource, ports: [{ ...port, protocol: 77 }], callers: [] }
  const encode = (message: object) => schema().agentResource.encode(message)
  const name = resourceName(workloadResource)
  const field = `resource ${name}.workload.ports[0].protocol`
  t.throws(() => decodeResource(name, encode({ workload })), { code: 'WEFT_WIRE', message: /77/, fields: { field } })
  for (const [probe, where] of [
    [{}, ''],
    [{ http: { scheme: 7, port: 80, path: '/' } }, '.http.scheme'],
  ] as const) {
    const probed = { ...workloadResource, ports: [], callers: [], probes: [probe] }
    const at = `resource ${name}.workload.probes[0]${where}`
    t.throws(() => decodeResource(name, encode({ workload: probed })), { code: 'WEFT_WIRE', fields: { field: at } })
  }
  const unset = { ...workload, ports: [port] }
  t.throws(() => decodeResource(name, encode({ workload: unset })), { code: 'WEFT_WIRE', fields: { field } })
  t.throws(() => decodeResource('gateway/shop/edge', Buffer.from([0x7a, 0x02, 0x08, 0x01])), {
    code: 'WEFT_WIRE',
    message: /gateway\/shop\/edge must have exactly one/,
  })
  t.throws(() => decodeResource('host', Buffer.from([0x0a, 0x09, 0x01])), { code: 'WEFT_WIRE', message: /protobuf/ })
})
