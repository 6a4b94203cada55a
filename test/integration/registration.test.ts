import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Agent, startAgent } from '../../agent/agent.ts'
import { type AgentSettings, loadAgentSettings } from '../../agent/config.ts'
import { agentState } from '../../agent/control/agent-state.ts'
import { joinMesh } from '../../agent/control/join.ts'
import { openStateDirectory } from '../../agent/control/state-directory.ts'
import { connectAgent as connectAdmin } from '../../cli/agent-client.ts'
import { createCsr } from '../../mesh/identity/csr.ts'
import { generateKeys } from '../../mesh/identity/keys.ts'
import { systemClock, systemRandom } from '../../mesh/std/clock.ts'
import { silentLog } from '../../mesh/std/log.ts'
import { Watch } from '../../mesh/std/watch.ts'
import type { Registration } from '../../mesh/wire/messages.ts'
import type { HostState } from '../../mesh/wire/report-sender.ts'
import type { StatusView } from '../../server/api/routes-status.ts'
import type { ServerConfig } from '../../server/config.ts'
import { eventually } from '../support/eventually.ts'
import { connectAgent, type Joined, joinHost, type MeshAgent } from '../support/mesh-agent.ts'
import { startTestServer, type TestServer, testServerConfig } from '../support/server.ts'

const intent = `
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: { name: payments, namespace: default }
spec:
  metadata: { labels: { app: payments } }
  template: { serviceAccount: payments, ports: { http: 8080 } }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: payments, namespace: default }
spec:
  hosts: [payments.example]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{ number: 80, name: http, protocol: HTTP }]
  workloadSelector: { labels: { app: payments } }
`
const group = 'default/payments'
const identity = 'spiffe://mesh.test/ns/default/sa/payments'

interface World {
  readonly config: ServerConfig
  server: TestServer
  /** A host that registers nothing and sees what the others get to see. */
  readonly caller: MeshAgent
}

async function start(t: Test, graceSeconds = 1): Promise<World> {
  const config = testServerConfig(join(t.testdir(), 'data'), [], {
    register: { graceSeconds, addresses: [] },
  })
  const server = await startTestServer(config)
  await server.api.post('/v1/resources?file=intent.yaml', intent)
  const world = { config, server, caller: await speak(t, server, await joined(server, 'caller')) }
  t.teardown(() => world.server.running.stop())
  return world
}

async function tokenFor(server: TestServer, node: string, identities: readonly string[]): Promise<string> {
  const { token } = await server.api.post<{ token: string }>('/v1/tokens', JSON.stringify({ node, identities }))
  return token
}

async function joined(server: TestServer, node: string, identities: readonly string[] = []): Promise<Joined> {
  return joinHost(server.running.addresses.api ?? '', await tokenFor(server, node, identities))
}

/** The smallest agent of a joined host, which registers what it is told to. */
async function speak(t: Test, server: TestServer, host: Joined, ...registrations: Registration[]): Promise<MeshAgent> {
  const report = new Watch<HostState>({ health: [], registrations })
  const address = server.running.addresses.websocket ?? ''
  const agent = await connectAgent({ transport: 'websocket', address, joined: host, report })
  t.teardown(() => agent.close())
  return agent
}

function one(values: Partial<Registration> = {}): Registration {
  return { group, name: 'pay-1', address: '10.0.0.1', ports: {}, maintenance: '', ...values }
}

/** A whole agent on the loopback, without capture. */
async function startHost(t: Test, { server }: World, env: Record<string, string>) {
  // below the system's own folder: the path of a socket has 107 characters at most
  const folder = mkdtempSync(join(tmpdir(), 'weft-registration-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const port = (name: string) => String(server.running.addresses[name]?.split(':').at(-1))
  const variables = {
    WEFT_AGENT_NODE: 'vm-1',
    WEFT_AGENT_SERVER_HOST: '127.0.0.1',
    WEFT_AGENT_SERVER_WEBSOCKET_PORT: port('websocket'),
    WEFT_AGENT_SERVER_API_PORT: port('api'),
    WEFT_AGENT_STATE_DIR: join(folder, 'state'),
    WEFT_AGENT_ADMIN_SOCKET: join(folder, 'agent.sock'),
    WEFT_AGENT_METRICS_HOST: '127.0.0.1',
    WEFT_AGENT_THREADS: '1',
    WEFT_AGENT_CAPTURE_ENABLED: 'false',
    WEFT_AGENT_ACCESS_LOG: '',
    ...Object.fromEntries(
      ['OUTBOUND', 'INBOUND', 'HBONE', 'METRICS', 'READINESS', 'DNS'].map(name => [`WEFT_AGENT_PORTS_${name}`, '0']),
    ),
    ...env,
  }
  const settings: AgentSettings = loadAgentSettings({ flags: {}, env: variables })
  const state = agentState(await openStateDirectory(settings.stateDir, { clock: systemClock, log: silentLog }))
  const token = await tokenFor(server, 'vm-1', [group])
  await joinMesh({ clock: systemClock, state }, { node: 'vm-1', server: settings.server, token })
  const agent = await startAgent(settings, { clock: systemClock, random: systemRandom, log: silentLog })
  t.teardown(() => agent.stop())
  return { agent, admin: connectAdmin({}, variables) }
}

/** The endpoints that the caller has, as `address health`. */
function endpointsOf({ caller }: World): readonly string[] {
  const service = caller.applied.at(-1)?.config.services.find(({ name }) => name === 'payments')
  return (service?.endpoints ?? []).map(({ address, health }) => `${address} ${health}`)
}

async function callerSees(world: World, ...endpoints: string[]): Promise<void> {
  await eventually(() => assert.deepEqual(endpointsOf(world), endpoints), 20_000)
}

async function hostsOf(server: TestServer) {
  const { registries } = await server.api.get<StatusView>('/v1/status')
  return registries.find(({ name }) => name === 'hosts')
}

t.test('a host registers by its settings, is called, is maintained, and leaves when its agent stops', async t => {
  const world = await start(t)
  const { agent, admin } = await startHost(t, world, {
    WEFT_AGENT_REGISTER_GROUP: group,
    WEFT_AGENT_REGISTER_ADDRESS: '10.0.0.1',
    WEFT_AGENT_REGISTER_PORTS: 'http=8081',
  })
  await callerSees(world, '10.0.0.1 healthy')
  t.match(world.caller.applied.at(-1)?.config.services, [
    {
      name: 'payments',
      hosts: ['payments.default.mesh', 'payments.example'],
      endpoints: [{ identity, ports: { http: 8081 } }],
    },
  ])
  await eventually(() => assert.equal(agent.status().registrations[0]?.state, 'published'))
  await eventually(() => assert.ok(agent.status().certificates.some(one => one.identity === identity && one.notAfter)))
  t.match(await hostsOf(world.server), { kind: 'hosts', state: 'fresh', workloads: 1, problems: [] })

  await admin.post('/maintain', JSON.stringify({ name: 'vm-1', reason: 'disk swap' }))
  await callerSees(world, '10.0.0.1 draining')
  await admin.post('/maintain', JSON.stringify({ name: 'vm-1', reason: '' }))
  await callerSees(world, '10.0.0.1 healthy')

  await admin.post('/register', JSON.stringify({ group, name: 'second', address: '10.0.0.1', ports: { http: 8082 } }))
  await callerSees(world, '10.0.0.1 healthy', '10.0.0.1 healthy')
  await admin.post('/deregister', JSON.stringify({ name: 'second' }))
  await callerSees(world, '10.0.0.1 healthy')

  const stopping = agent.stop()
  await callerSees(world)
  t.same(await hostIsServing(agent), true, 'the host still knows its workload while the others learn that it is gone')
  await stopping
})

async function hostIsServing(agent: Agent): Promise<boolean> {
  return agent.status().certificates.some(one => one.identity === identity)
}

t.test('a host whose token does not name the identity gets neither traffic nor a certificate', async t => {
  const world = await start(t)
  const stranger = await speak(t, world.server, await joined(world.server, 'vm-2', ['default/web']), one())
  await eventually(async () => {
    assert.deepEqual((await hostsOf(world.server))?.problems, [
      {
        item: 'registration pay-1 of vm-2 for default/payments',
        reason: 'vm-2 may not be default/payments: neither its join token nor anything an operator wrote says so',
      },
    ])
  })
  await callerSees(world)
  await t.rejects(stranger.session.sign(identity, createCsr(generateKeys())), { code: 'WEFT_IDENTITY_NOT_PLACED' })
  t.same(stranger.applied.at(-1)?.config.workloads, [])
})

t.test('registering is no evidence, not even to a host without identities in its token', async t => {
  const world = await start(t)
  const host = await speak(t, world.server, await joined(world.server, 'vm-2'), one())
  await eventually(async () => assert.equal((await hostsOf(world.server))?.problems.length, 1))
  await t.rejects(host.session.sign(identity, createCsr(generateKeys())), { code: 'WEFT_IDENTITY_NOT_PLACED' })

  const placed = `
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: by-hand, namespace: default, annotations: { weft.dev/node: vm-2 } }
spec: { address: 10.0.0.1, serviceAccount: payments }
`
  await world.server.api.post('/v1/resources?file=placed.yaml', placed)
  await callerSees(world, '10.0.0.1 healthy')
  t.equal((await host.session.sign(identity, createCsr(generateKeys()))).length, 2, 'an operator has placed it there')
})

t.test('a host that falls silent is kept for the grace time, and one that comes back in it is not missed', async t => {
  const world = await start(t, 2)
  const host = await joined(world.server, 'vm-2', [group])
  const first = await speak(t, world.server, host, one())
  await callerSees(world, '10.0.0.1 healthy')
  const pushes = world.caller.applied.length
  await first.close()
  const second = await speak(t, world.server, host, one())
  await eventually(() => assert.equal(second.applied.at(-1)?.config.workloads[0]?.id, 'hosts/default/pay-1'))
  t.equal(world.caller.applied.length, pushes, 'nothing was sent to anybody')
  await second.close()
  await callerSees(world)
  await speak(t, world.server, host, one())
  await callerSees(world, '10.0.0.1 healthy')
})

t.test('a restart of the server loses nothing', async t => {
  const world = await start(t)
  const host = await joined(world.server, 'vm-2', [group])
  const agent = await speak(t, world.server, host, one({ maintenance: 'disk swap' }))
  await callerSees(world, '10.0.0.1 draining')
  const caller = await joined(world.server, 'caller-2')
  await world.server.running.stop()
  await agent.session.closed
  world.server = await startTestServer(world.config)
  const again = await speak(t, world.server, caller)
  await callerSees({ ...world, caller: again }, '10.0.0.1 draining')
})

t.test('the name hosts is taken', async t => {
  const registry = { name: 'hosts', kind: 'static', directory: '/nowhere' }
  t.throws(() => testServerConfig(t.testdir(), [registry]), { message: /the name hosts is reserved/ })
})
