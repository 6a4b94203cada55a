import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createCsr } from '../../mesh/identity/csr.ts'
import { generateKeys } from '../../mesh/identity/keys.ts'
import type { AgentStatus, RegistryStatus } from '../../server/status.ts'
import { eventually } from '../support/eventually.ts'
import { httpOnce } from '../support/http-json.ts'
import { connectAgent, joinHost, type MeshAgent } from '../support/mesh-agent.ts'
import { startTestServer, type TestServer, testServerConfig } from '../support/server.ts'

const api = `
services:
  - { name: api, ports: { http: 80 } }
workloads:
  - { name: api-1, node: vm-1, address: 10.0.0.1, serviceAccount: api, services: { api: 8080 } }
`
const web = `
services:
  - { name: web, ports: { http: 80 } }
workloads:
  - { name: web-1, node: vm-2, address: 10.0.0.2, serviceAccount: web, services: { web: 8081 } }
`

interface Teardown {
  teardown(stop: () => unknown): unknown
  testdir(): string
}

interface Status {
  readonly agents: readonly AgentStatus[]
  readonly registries: readonly RegistryStatus[]
}

async function start(t: Teardown) {
  const folder = t.testdir()
  const directory = join(folder, 'registry')
  mkdirSync(directory)
  writeFileSync(join(directory, 'api.yaml'), api)
  const config = testServerConfig(join(folder, 'data'), [{ name: 'files', kind: 'static', directory }])
  const server = await startTestServer(config)
  t.teardown(() => server.running.stop())
  return { server, config, directory }
}

async function join1(server: TestServer, node: string) {
  const { token } = await server.api.post<{ token: string }>('/v1/tokens', JSON.stringify({ node }))
  return joinHost(server.running.addresses.api ?? '', token)
}

function servicesOf(agent: MeshAgent) {
  return agent.applied.at(-1)?.config.services.map(service => service.name)
}

for (const transport of ['websocket', 'grpc'] as const) {
  t.test(`an agent over ${transport} gets everything, then what changes`, async t => {
    const { server, directory } = await start(t)
    const joined = await join1(server, 'vm-1')
    const agent = await connectAgent({ transport, address: server.running.addresses[transport] ?? '', joined })
    t.teardown(() => agent.close())

    await eventually(() => assert.deepEqual(servicesOf(agent), ['api']))
    const first = agent.applied[0]
    t.match(first?.config.host, { node: 'vm-1', trustDomain: 'mesh.test', dnsDomain: 'mesh' })
    t.equal(first?.config.trust.roots.length, 1)
    t.match(first?.config.workloads, [
      {
        id: 'files/default/api-1',
        identity: 'spiffe://mesh.test/ns/default/sa/api',
        ports: [{ port: 8080, mtls: 'PERMISSIVE', mtlsFrom: 'default', service: 'default/api' }],
      },
    ])
    t.match(first?.config.services[0], {
      hosts: ['api.default.mesh'],
      virtualIps: ['240.240.0.1', 'fd77:6566:7400::1'],
      endpoints: [{ address: '10.0.0.1', ports: { http: 8080 }, identity: 'spiffe://mesh.test/ns/default/sa/api' }],
    })

    writeFileSync(join(directory, 'web.yaml'), web)
    await eventually(() => assert.deepEqual(servicesOf(agent), ['api', 'web']))
    t.same(agent.applied.at(-1)?.changed, ['service/default/web'], 'only what changed was sent')
  })
}

t.test('a policy reaches the agents whose ports it is about', async t => {
  const { server } = await start(t)
  const joined = await join1(server, 'vm-1')
  const agent = await connectAgent({
    transport: 'websocket',
    address: server.running.addresses.websocket ?? '',
    joined,
  })
  t.teardown(() => agent.close())
  await eventually(() => assert.deepEqual(servicesOf(agent), ['api']))
  const policy = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: strict, namespace: default }
spec: { mtls: { mode: STRICT } }
`
  await server.api.post('/v1/resources?file=strict.yaml', policy)
  await eventually(() => assert.equal(agent.applied.at(-1)?.config.workloads[0]?.ports[0]?.mtls, 'STRICT'))
  t.match(agent.applied.at(-1), {
    changed: ['workload/files/default/api-1'],
    config: { workloads: [{ ports: [{ mtlsFrom: 'default/strict' }] }] },
  })
})

for (const transport of ['websocket', 'grpc'] as const) {
  t.test(
    `traffic rules reach an agent over ${transport}, and a change of services does not send them again`,
    async t => {
      const { server, directory } = await start(t)
      const joined = await join1(server, 'vm-1')
      const agent = await connectAgent({ transport, address: server.running.addresses[transport] ?? '', joined })
      t.teardown(() => agent.close())
      await eventually(() => assert.deepEqual(servicesOf(agent), ['api']))
      const rule = (timeout: string) => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: api, namespace: default }
spec:
  hosts: [api]
  http: [{ timeout: ${timeout}, route: [{ destination: { host: api } }] }]
`
      await server.api.post('/v1/resources?file=rule.yaml', rule('1s'))
      const rules = () => agent.applied.at(-1)?.config.traffic.virtualServices ?? []
      await eventually(() => assert.equal(rules()[0]?.spec.http?.[0]?.timeout, '1s'))
      t.match(agent.applied.at(-1)?.changed, ['traffic/VirtualService/default/api'])
      const [first] = rules()
      t.ok((first?.createdAt ?? 0) > Date.UTC(2020, 0, 1))
      t.equal(agent.applied.at(-1)?.config.traffic.rootNamespace, 'weft-system')

      await server.api.post('/v1/resources?file=rule.yaml', rule('2s'))
      await eventually(() => assert.equal(rules()[0]?.spec.http?.[0]?.timeout, '2s'))
      t.equal(rules()[0]?.createdAt, first?.createdAt, 'it is as old as it was')
      writeFileSync(join(directory, 'web.yaml'), web)
      await eventually(() => assert.deepEqual(servicesOf(agent), ['api', 'web']))
      t.same(agent.applied.at(-1)?.changed, ['service/default/web'])
    },
  )
}

t.test('a restarted server keeps virtual IPs, and sends an agent that comes back only what it lacks', async t => {
  const { server, config, directory } = await start(t)
  const joined = await join1(server, 'vm-1')
  const address = server.running.addresses.websocket ?? ''
  const before = await connectAgent({ transport: 'websocket', address, joined })
  await eventually(() => assert.deepEqual(servicesOf(before), ['api']))
  await server.running.stop()
  await before.session.closed

  // sorts before what was there, so that allocating anew would give it the first address
  writeFileSync(join(directory, 'a.yaml'), web.replaceAll('web', 'aaa'))
  const again = await startTestServer(config)
  t.teardown(() => again.running.stop())
  t.equal(again.running.adminTokenFile, undefined, 'the first token is made once')
  const after = await connectAgent({
    transport: 'websocket',
    address: again.running.addresses.websocket ?? '',
    joined,
    held: before.held(),
  })
  t.teardown(() => after.close())
  await eventually(() => assert.deepEqual(servicesOf(after), ['aaa', 'api']))
  const ips = after.applied.at(-1)?.config.services.map(service => service.virtualIps[0])
  t.same(ips, ['240.240.0.2', '240.240.0.1'])
  t.ok(after.applied.every(({ changed }) => !changed.includes('service/default/api')))
})

t.test('certificates are given for what is placed on the node, and for nothing else', async t => {
  const { server } = await start(t)
  const joined = await join1(server, 'vm-1')
  const agent = await connectAgent({
    transport: 'websocket',
    address: server.running.addresses.websocket ?? '',
    joined,
  })
  t.teardown(() => agent.close())
  await eventually(() => assert.deepEqual(servicesOf(agent), ['api']))
  const csr = createCsr(generateKeys())
  const chain = await agent.session.sign('spiffe://mesh.test/ns/default/sa/api', csr)
  t.equal(chain.length, 2)
  await t.rejects(agent.session.sign('spiffe://mesh.test/ns/default/sa/web', csr), { code: 'WEFT_IDENTITY_NOT_PLACED' })
})

t.test('a registry that empties itself takes nothing from the agents until an operator confirms it', async t => {
  const { server, directory } = await start(t)
  for (let count = 0; count < 5; count += 1) {
    writeFileSync(join(directory, `s${count}.yaml`), web.replaceAll('web', `s${count}`))
  }
  const joined = await join1(server, 'vm-1')
  const agent = await connectAgent({ transport: 'grpc', address: server.running.addresses.grpc ?? '', joined })
  t.teardown(() => agent.close())
  await eventually(() => assert.equal(servicesOf(agent)?.length, 6))
  for (const name of readdirSync(directory)) rmSync(join(directory, name))
  const files = async () => (await server.api.get<Status>('/v1/status')).registries.find(({ name }) => name === 'files')
  await eventually(async () => assert.equal((await files())?.held?.services, 6))
  t.equal(servicesOf(agent)?.length, 6)
  t.same(await server.api.post('/v1/registries/files/confirm', ''), { confirmed: true })
  await eventually(() => assert.deepEqual(servicesOf(agent), []))
})

t.test('status tells acked, rejected and stale, and metrics agree', async t => {
  const { server } = await start(t)
  const joined = await join1(server, 'vm-1')
  const status = () => server.api.get<Status>('/v1/status')
  t.match((await status()).agents, [{ node: 'vm-1', state: 'never' }])
  const agent = await connectAgent({
    transport: 'grpc',
    address: server.running.addresses.grpc ?? '',
    joined,
    reject: changed => changed.filter(name => name.startsWith('service/')).map(name => ({ name, reason: 'no room' })),
  })
  await eventually(async () => assert.equal((await status()).agents[0]?.rejected.length, 1))
  const [connected] = (await status()).agents
  t.match(connected, { state: 'connected', transport: 'grpc', agentVersion: 'test', facts: { os: 'test' } })
  t.same(connected?.rejected, [{ name: 'service/default/api', reason: 'no room' }])
  t.equal(connected?.answeredVersion, connected?.configVersion)
  t.ok((connected?.certificateExpiresAt ?? 0) > Date.now())
  const text = (await httpOnce('GET', `http://${server.running.addresses.metrics}/metrics`)).body
  t.match(text, /^weft_server_agents\{state="connected"\} 1$/m)
  t.match(text, /^weft_server_agent_rejected_resources 1$/m)
  t.match(text, /^weft_server_registry_fresh\{registry="files"\} 1$/m)

  await agent.close()
  await eventually(async () => assert.equal((await status()).agents[0]?.state, 'stale'))
  t.match((await status()).registries, [
    { name: 'resources', state: 'fresh' },
    { name: 'files', state: 'fresh', services: 1, workloads: 1 },
  ])
})

t.test('the first start leaves a token that only its owner can read', async t => {
  const { server, config } = await start(t)
  t.equal(statSync(server.running.adminTokenFile ?? '').mode & 0o777, 0o600)
  t.equal(server.running.adminTokenFile, join(config.dataDir, 'admin-token'))
})

t.test('a server that cannot open a port leaves nothing running', async t => {
  const { server, config } = await start(t)
  const taken = Number((server.running.addresses.metrics ?? '').split(':').at(-1))
  const other = { ...config, dataDir: t.testdir(), listen: { ...config.listen, metricsPort: taken } }
  await t.rejects(startTestServer(other), { code: 'WEFT_LISTEN' })
})
