import t from 'tap'
import { buildTable } from '../../../../agent/dataplane/table.ts'
import { aConfig, anEndpoint, aPlainEndpoint, aService, aWorkload } from '../../../support/agent-config.ts'

const build = (values: Parameters<typeof aConfig>[0]) => buildTable(aConfig(values))

t.test('finds a service by each of its virtual IPs and declared addresses', async t => {
  const { table } = build({ services: [aService({ addresses: ['192.0.2.7'] })] })
  for (const address of ['240.240.0.1:80', '[fd77:6566:7400::1]:80', '192.0.2.7:80']) {
    t.equal(table.services.get(address)?.host, 'api.default.mesh', address)
  }
  t.equal(table.services.get('240.240.0.1:81'), undefined)
})

t.test('finds a service by the ranges it declares, after exact addresses and never among virtual ones', async t => {
  const outside = (name: string, addresses: readonly string[], port = 80) =>
    aService({
      name,
      hosts: [`${name}.example`],
      virtualIps: [],
      addresses,
      external: true,
      resolution: 'none',
      endpoints: [],
      ports: [{ name: 'http', port, protocol: 'http' }],
    })
  const { table, rejected } = build({
    services: [
      aService(),
      outside('wide', ['10.0.0.0/8', '240.0.0.0/4']),
      outside('narrow', ['10.77.0.0/24']),
      outside('other', ['10.77.0.0/16'], 443),
      outside('odd', ['10.0.0.0/99']),
    ],
  })
  const hostAt = (address: string, port: number) => table.at(address, port)?.host
  t.equal(hostAt('10.77.0.2', 8080), 'api.default.mesh')
  t.equal(hostAt('10.77.0.2', 80), 'narrow.example')
  t.equal(hostAt('10.77.1.2', 80), 'wide.example')
  t.equal(hostAt('10.77.0.2', 443), 'other.example')
  t.equal(hostAt('240.240.0.1', 80), 'api.default.mesh')
  t.equal(hostAt('240.240.9.9', 80), undefined)
  t.equal(hostAt('192.0.2.1', 80), undefined)
  t.strictSame(
    rejected.map(one => one.name),
    ['service/default/odd'],
  )
})

t.test('finds a service by the server name that TLS asks for', async t => {
  const ports = [{ name: 'tls', port: 443, protocol: 'tls' }] as const
  const hosts = (name: string) => [`${name}.default.mesh`, name === 'any' ? '*.example.com' : 'www.example.com']
  const { table } = build({
    services: [
      aService({ name: 'any', hosts: hosts('any'), ports, endpoints: [], external: true }),
      aService({ name: 'www', hosts: hosts('www'), ports, endpoints: [], external: true }),
      aService({ name: 'plain', hosts: ['plain.example.com'] }),
    ],
  })
  t.equal(table.byServerName('www.example.com', 443)?.service.name, 'www')
  t.equal(table.byServerName('a.b.example.com', 443)?.service.name, 'any')
  t.equal(table.byServerName('www.example.com', 80), undefined)
  t.equal(table.byServerName('plain.example.com', 80), undefined, 'a port that is not declared to carry TLS')
  t.equal(table.byServerName('example.com', 443), undefined)
})

t.test('finds one endpoint by its own address, with the identity it must prove', async t => {
  const { table } = build({ services: [aService()] })
  const [target] = table.endpoints.get('10.77.0.2:8080')?.endpoints ?? []
  t.strictSame(target?.mesh, {
    destination: 'spiffe://mesh.local/ns/default/sa/api',
    serverName: 'api.default.ns.mesh.local',
  })
})

t.test('an endpoint without identity is plaintext', async t => {
  const { table } = build({ services: [aService({ endpoints: [aPlainEndpoint()] })] })
  t.equal(table.services.get('240.240.0.1:80')?.endpoints[0]?.mesh, undefined)
})

t.test('rejects by name a workload that declares a port of the agent, and keeps the others', async t => {
  const bad = aWorkload({
    id: 'static/bad',
    ports: [{ port: 15008, protocol: 'tcp', mtls: 'STRICT', mtlsFrom: 'default', service: 'default/bad' }],
  })
  const { table, rejected } = build({ workloads: [bad, aWorkload()] })
  t.strictSame(
    rejected.map(one => one.name),
    ['workload/static/bad'],
  )
  t.ok(table.local.has('10.77.0.1:9090'))
})

t.test('rejects by name a service whose identity cannot be asked for', async t => {
  const endpoints = [anEndpoint({ identity: 'spiffe://mesh.local/not/a/workload' })]
  const { table, rejected } = build({
    services: [aService({ endpoints }), aService({ name: 'db', virtualIps: ['240.240.0.2'] })],
  })
  t.strictSame(
    rejected.map(one => one.name),
    ['service/default/api'],
  )
  t.notOk(table.services.has('240.240.0.1:80'), 'nothing of it is in use')
  t.ok(table.services.has('240.240.0.2:80'))
})

t.test('whoever else claims an address of the mesh cannot make its connections plaintext', async t => {
  const usurper = aService({ namespace: 'aaa', name: 'evil', virtualIps: [], endpoints: [aPlainEndpoint()] })
  for (const services of [
    [usurper, aService()],
    [aService(), usurper],
  ]) {
    const { table } = build({ services })
    t.equal(table.endpoints.get('10.77.0.2:8080')?.endpoints[0]?.mesh?.serverName, 'api.default.ns.mesh.local')
  }
})

t.test('whoever else claims a local port can neither take it over nor soften it', async t => {
  const port = (mtls: 'STRICT' | 'PERMISSIVE') =>
    [{ port: 9090, protocol: 'tcp', mtls, mtlsFrom: mtls, service: 'default/web' }] as const
  const owner = aWorkload({ id: 'static/web-1', ports: port('STRICT') })
  const { identity: _, ...stranger } = aWorkload({ id: 'consul/evil', name: 'evil', ports: port('PERMISSIVE') })
  for (const workloads of [
    [owner, stranger],
    [stranger, owner],
  ]) {
    const { table } = build({ workloads })
    t.match(table.local.get('10.77.0.1:9090'), { workload: { id: 'static/web-1' }, port: { mtls: 'STRICT' } })
  }
})

t.test('of two workloads without identity at one port, the stricter policy holds', async t => {
  const port = (mtls: 'STRICT' | 'PERMISSIVE') =>
    [{ port: 9090, protocol: 'tcp', mtls, mtlsFrom: mtls, service: 'default/web' }] as const
  const { identity: _1, ...first } = aWorkload({ id: 'consul/a', ports: port('PERMISSIVE') })
  const { identity: _2, ...second } = aWorkload({ id: 'consul/b', ports: port('STRICT') })
  for (const workloads of [
    [first, second],
    [second, first],
  ]) {
    t.match(build({ workloads }).table.local.get('10.77.0.1:9090')?.port, { mtls: 'STRICT' })
  }
})
