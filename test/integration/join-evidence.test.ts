import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startAgent } from '../../agent/agent.ts'
import { loadAgentSettings } from '../../agent/config.ts'
import { agentState } from '../../agent/control/agent-state.ts'
import { joinAsConfigured, joinIfNeeded } from '../../agent/control/join-settings.ts'
import { openStateDirectory } from '../../agent/control/state-directory.ts'
import { connectAgent as connectAdmin } from '../../cli/agent-client.ts'
import { parseJoinToken } from '../../mesh/identity/join-token.ts'
import { systemClock, systemRandom } from '../../mesh/std/clock.ts'
import { silentLog } from '../../mesh/std/log.ts'
import { loadServerConfig } from '../../server/config.ts'
import { FakeNomad } from '../fakes/nomad.ts'
import { eventually } from '../support/eventually.ts'
import { createJwtIssuer } from '../support/jwt-issuer.ts'
import { ofAuthority, openssl } from '../support/openssl.ts'
import { startTestServer, type TestServer, testServerConfig } from '../support/server.ts'

const policy = `
apiVersion: weft.dev/v1
kind: JoinPolicy
metadata: { name: nomad-clients, namespace: weft-system }
spec:
  evidence: nomad
  match: { namespace: [default], job: [weft-agent] }
  nodes: ['client-*']
  identities: ['default/*']
`
const audience = 'mesh.example.test'
const web = 'spiffe://mesh.test/ns/default/sa/web'

/** A Nomad with agents as a job on two nodes, a service on one of them, and a server that believes it. */
async function createWorld(t: Test) {
  const nomad = await FakeNomad.start()
  t.teardown(() => nomad.stop())
  const issuer = await createJwtIssuer()
  nomad.cluster.addNode({ name: 'client-a', address: '10.0.0.1' })
  nomad.cluster.addNode({ name: 'client-b', address: '10.0.0.2' })
  nomad.cluster.runJob({ id: 'weft-agent', type: 'system', groups: [{ name: 'g' }] })
  nomad.cluster.runJob({
    id: 'web',
    groups: [{ name: 'g', on: ['client-a'], ports: { http: {} }, services: [{ name: 'web', port: 'http' }] }],
  })
  const registries = [{ name: 'nomad', kind: 'nomad', address: nomad.address, serviceAccounts: 'job' }]
  const attestors = [{ kind: 'nomad', address: nomad.address, audience, jwks: issuer.jwks() }]
  const { attestors: parsed } = loadServerConfig({
    env: { WEFT_SERVER_ATTESTORS: JSON.stringify(attestors) },
    flags: {},
  })
  const config = testServerConfig(join(t.testdir(), 'data'), registries, { attestors: parsed })
  const server = await startTestServer(config)
  t.teardown(() => server.running.stop())
  const rootHash = await rootHashOf(server)
  await server.api.post('/v1/resources?file=policy.yaml', policy)
  const tokenOf = (node: string, job = 'weft-agent') => {
    const allocation = nomad.cluster.allocations(job).find(({ NodeID }) => NodeID === nomad.cluster.node(node).ID)
    const now = Math.floor(Date.now() / 1000)
    return issuer.sign({
      aud: audience,
      iat: now,
      exp: now + 600,
      jti: `${now} ${node} ${Math.random()}`,
      nomad_allocation_id: allocation?.ID,
      nomad_namespace: 'default',
      nomad_job_id: job,
      nomad_task: 'server',
    })
  }
  return { nomad, server, rootHash, tokenOf }
}

/** As the token of any node carries it. */
async function rootHashOf({ api }: TestServer): Promise<string> {
  const { token } = await api.post<{ token: string }>('/v1/tokens', JSON.stringify({ node: 'any' }))
  return parseJoinToken(token).rootHash
}

type World = Awaited<ReturnType<typeof createWorld>>

function hostOf(
  t: Test,
  { server, rootHash }: Pick<World, 'server' | 'rootHash'>,
  node: string,
  token: string,
  kind = 'nomad',
) {
  const folder = mkdtempSync(join(tmpdir(), 'weft-evidence-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'token')
  writeFileSync(file, token)
  const port = (name: string) => String(server.running.addresses[name]?.split(':').at(-1))
  const env = {
    WEFT_AGENT_NODE: node,
    WEFT_AGENT_SERVER_HOST: '127.0.0.1',
    WEFT_AGENT_SERVER_WEBSOCKET_PORT: port('websocket'),
    WEFT_AGENT_SERVER_API_PORT: port('api'),
    WEFT_AGENT_JOIN_EVIDENCE: kind,
    WEFT_AGENT_JOIN_EVIDENCE_FILE: file,
    WEFT_AGENT_JOIN_ROOT_HASH: rootHash,
    WEFT_AGENT_STATE_DIR: join(folder, 'state'),
    WEFT_AGENT_ADMIN_SOCKET: join(folder, 'agent.sock'),
    WEFT_AGENT_METRICS_HOST: '127.0.0.1',
    WEFT_AGENT_THREADS: '1',
    WEFT_AGENT_CAPTURE_ENABLED: 'false',
    WEFT_AGENT_ACCESS_LOG: '',
    ...Object.fromEntries(
      ['OUTBOUND', 'INBOUND', 'HBONE', 'METRICS', 'READINESS', 'DNS'].map(name => [`WEFT_AGENT_PORTS_${name}`, '0']),
    ),
  }
  return { env, settings: loadAgentSettings({ flags: {}, env }) }
}

const deps = { clock: systemClock, random: systemRandom, log: silentLog }

async function joinOnce({ settings }: Pick<ReturnType<typeof hostOf>, 'settings'>) {
  const state = agentState(await openStateDirectory(settings.stateDir, deps))
  return joinAsConfigured({ clock: systemClock, state }, settings)
}

t.test('a host joins by its nomad identity, holds what nomad places on it, and loses what moves away', async t => {
  const world = await createWorld(t)
  const host = hostOf(t, world, 'client-a', await world.tokenOf('client-a'))
  await joinIfNeeded(host.settings, deps)
  const agent = await startAgent(host.settings, deps)
  t.teardown(() => agent.stop())
  const admin = connectAdmin({}, host.env)
  const held = async () => {
    const { certificates } = await admin.get<{ certificates: readonly { identity: string }[] }>('/status')
    return certificates.map(({ identity }) => identity)
  }
  await eventually(async () => assert.ok((await held()).includes(web), 'the identity of what runs here'), 20_000)
  world.nomad.cluster.stopJob('web')
  await eventually(async () => assert.ok(!(await held()).includes(web), 'is dropped'), 20_000)
  t.same(await held(), ['spiffe://mesh.test/mesh/agent/client-a'])
})

t.test('an identity lets a host be the node of its allocation, and no other', async t => {
  const world = await createWorld(t)
  const asOther = hostOf(t, world, 'client-b', await world.tokenOf('client-a'))
  await t.rejects(joinOnce(asOther), { code: 'WEFT_EVIDENCE_REFUSED', message: 'evidence is not good for this node' })
})

t.test('a host joins by its certificate and the signed challenge of the server', async t => {
  const ssl = openssl(t)
  const root = ssl.certificate({ name: 'Hosts', extensions: ofAuthority })
  const names = ['subjectAltName=DNS:vm-1.hosts.example', 'extendedKeyUsage=clientAuth']
  const host = ssl.certificate({ name: 'vm-1', issuer: root, extensions: names })
  const authoritiesFile = ssl.file(root.certificate)
  const env = {
    WEFT_SERVER_ATTESTORS: JSON.stringify([{ kind: 'x509', authoritiesFile, domain: 'hosts.example' }]),
  }
  const { attestors } = loadServerConfig({ env, flags: {} })
  const server = await startTestServer(testServerConfig(join(t.testdir(), 'data'), [], { attestors }))
  t.teardown(() => server.running.stop())
  const rootHash = await rootHashOf(server)
  await server.api.post(
    '/v1/resources?file=policy.yaml',
    policy
      .replace('evidence: nomad', 'evidence: x509')
      .replace(/match: .*/, 'match: { issuer: [CN=Hosts] }')
      .replace('client-*', 'vm-*'),
  )
  const world = { server, rootHash }
  const { settings } = hostOf(t, world, 'vm-1', `${host.certificate}${host.key}`, 'x509')
  const held = await joinOnce({ settings })
  t.equal(held.identity, 'spiffe://mesh.test/mesh/agent/vm-1')
  // one attempt a second
  await eventually(async () => assert.equal((await joinOnce({ settings })).key, held.key), 5_000)
  const { settings: asOther } = hostOf(t, world, 'vm-2', `${host.certificate}${host.key}`, 'x509')
  await eventually(() => assert.rejects(joinOnce({ settings: asOther }), { code: 'WEFT_EVIDENCE_REFUSED' }), 5_000)
})

t.test('nothing is brought to a server that is not below the root', async t => {
  const { server } = await createWorld(t)
  const stranger = 'f'.repeat(64)
  const { settings } = hostOf(t, { server, rootHash: stranger }, 'client-a', 'secret evidence')
  await t.rejects(joinOnce({ settings }), { code: 'WEFT_SERVER_UNTRUSTED' })
  const without = { ...settings, join: { ...settings.join, rootHash: '' } }
  await t.rejects(joinOnce({ settings: without }), { code: 'WEFT_USAGE' }, 'there is no root that is believed anyway')
})
