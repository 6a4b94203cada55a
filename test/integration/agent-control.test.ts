import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import { join } from 'node:path'
import { connect } from 'node:tls'
import t, { type Test } from 'tap'
import type { Agent } from '../../agent/agent.ts'
import { identitySni } from '../../mesh/identity/sni.ts'
import type { AgentConfig, AgentResource } from '../../mesh/model/agent-config.ts'
import { serveGrpc } from '../../server/push/grpc.ts'
import { aConfig, aService, aWorkload } from '../support/agent-config.ts'
import { type AgentWorld, agentWorld, ask } from '../support/agent-world.ts'
import { eventually } from '../support/eventually.ts'

const web = 'spiffe://mesh.test/ns/default/sa/web'

/** A whole small config of this world's trust domain. */
function resources(world: AgentWorld, values: Partial<AgentConfig> = {}): AgentResource[] {
  const base = aConfig()
  const config = aConfig({
    host: { ...base.host, node: 'vm-1', trustDomain: 'mesh.test' },
    trust: { kind: 'trust', trustDomain: 'mesh.test', sequence: 1, roots: [world.authority.root] },
    workloads: [aWorkload({ identity: web, address: '127.0.0.1', callers: [{ kind: 'uid', uid: 4242 }] })],
    services: [aService()],
    ...values,
  })
  return [config.host, config.trust, ...config.workloads, ...config.services]
}

function isReady(agent: Agent): void {
  const { notReady } = agent.status()
  if (notReady.length > 0) throw new Error(`not ready: ${notReady.join(', ')}`)
}

/** The identity presented on the HBONE port to a client that asks for a workload. */
function presented(world: AgentWorld, agent: Agent): Promise<string | undefined> {
  const port = Number(agent.addresses['hbone/ipv4']?.slice(1))
  const now = Date.now()
  const { key, chain } = world.authority.issue('spiffe://mesh.test/ns/default/sa/client', {
    notBefore: now - 60_000,
    notAfter: now + 60_000,
  })
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: '127.0.0.1',
      port,
      key,
      cert: chain,
      ca: [world.authority.root],
      servername: identitySni(web),
      ALPNProtocols: ['h2'],
      checkServerIdentity: () => undefined,
    })
    socket.once('secureConnect', () => {
      resolve(socket.getPeerCertificate().subjectaltname)
      socket.destroy()
    })
    socket.once('error', reject)
  })
}

t.test('refuses to start on a host that has not joined', async t => {
  const world = await agentWorld(t)
  const empty = join(world.stateDir, '..', 'empty')
  await t.rejects(world.start({ WEFT_AGENT_STATE_DIR: empty }), { code: 'WEFT_NOT_JOINED' })
  await t.rejects(world.start({ WEFT_AGENT_NODE: 'vm-2' }), { code: 'WEFT_CONFIG_INVALID' })
})

for (const [transport, serve] of [
  ['websocket', undefined],
  ['grpc', serveGrpc],
] as const) {
  t.test(`takes its config and certificates over ${transport} and serves without the server afterwards`, async t => {
    const world = await agentWorld(t, serve)
    const more = { WEFT_AGENT_SERVER_TRANSPORT: transport }
    world.push(...resources(world))
    const agent = await world.start(more)
    await eventually(() => isReady(agent))
    t.match(agent.status(), {
      server: { connected: true, name: 's1' },
      config: { resources: 4, rejected: [] },
      certificates: [{ identity: /\/mesh\/agent\/vm-1$/ }, { identity: web }],
    })
    t.equal(await presented(world, agent), `URI:${web}`)
    await eventually(() => assert.ok((world.sessions[0]?.status.value.ackedVersion ?? 0) > 0))
    const ports = agent.addresses[`outbound/${web}/ipv4`]

    await world.stopServer()
    await eventually(() => assert.equal(agent.status().server.connected, false))
    t.equal(agent.status().ready, true)
    await agent.stop()

    const again = await world.start(more)
    t.equal(again.status().ready, true)
    t.equal(await presented(world, again), `URI:${web}`)
    t.equal(again.addresses[`outbound/${web}/ipv4`], ports)
    t.match(again.status(), { server: { connected: false }, config: { resources: 4 } })

    await world.startServer()
    await eventually(() => assert.equal(again.status().server.connected, true))
    t.equal(world.asked.filter(identity => identity === web).length, 1)
  })
}

t.test('refuses an older trust bundle by name and keeps what it has', async t => {
  const world = await agentWorld(t)
  const trust = { kind: 'trust' as const, trustDomain: 'mesh.test', roots: [world.authority.root] }
  world.push(...resources(world, { trust: { ...trust, sequence: 5 } }))
  const agent = await world.start()
  await eventually(() => isReady(agent))
  const other = aService({ name: 'other', hosts: ['other.default.mesh'] })
  world.push(...resources(world, { trust: { ...trust, sequence: 4, roots: [] }, services: [other] }))
  await eventually(() => assert.equal(agent.status().config.rejected[0]?.name, 'trust'))
  t.match(agent.status().config.rejected, [{ name: 'trust', reason: /older/ }])
  t.match(JSON.parse((await ask(agent.addresses.admin ?? '', 'GET', '/config')).body), {
    trust: { sequence: 5, roots: [world.authority.root] },
    services: [{ name: 'other' }],
  })
  t.equal(await presented(world, agent), `URI:${web}`)
})

t.test('is ready although the server refuses one of its identities, and says which', async t => {
  const world = await agentWorld(t)
  const api = 'spiffe://mesh.test/ns/default/sa/api'
  world.refuse.add(api)
  world.push(
    ...resources(world, { workloads: [aWorkload({ identity: web }), aWorkload({ id: 'static/api', identity: api })] }),
  )
  const agent = await world.start()
  await eventually(() => isReady(agent))
  await eventually(() => assert.ok(agent.status().certificates.find(one => one.identity === api)?.problem))
})

t.test('starts from the previous generation, or from the server, when a saved file is broken', async t => {
  const world = await agentWorld(t)
  world.push(...resources(world))
  const first = await world.start()
  await eventually(() => isReady(first))
  world.push(...resources(world, { services: [aService(), aService({ name: 'b', hosts: ['b.default.mesh'] })] }))
  await eventually(() => assert.equal(first.status().config.resources, 5))
  await eventually(() => assert.equal(world.sessions.at(-1)?.status.value.ackedVersion, 2))
  await first.stop()
  await world.stopServer()

  const file = join(world.stateDir, 'config')
  const bytes = readFileSync(file)
  writeFileSync(file, bytes.subarray(0, bytes.length - 1))
  const second = await world.start()
  t.match(second.status(), {
    ready: true,
    config: { resources: 4 },
    stateProblems: [/^config was set aside as config\.corrupt-/],
  })
  await second.stop()

  for (const name of ['config', 'config.previous', 'workloads', 'workloads.previous', 'trust', 'ports']) {
    writeFileSync(join(world.stateDir, name), 'nonsense', { mode: 0o600 })
  }
  const third = await world.start()
  t.match(third.status(), { ready: false, notReady: ['config', 'listeners'] })
  t.ok(readdirSync(world.stateDir).filter(name => name.includes('.corrupt-')).length >= 6)
})

t.test('answers on its admin socket, to its owner only, and to one agent only', async t => {
  const world = await agentWorld(t)
  world.push(...resources(world))
  const agent = await world.start()
  const socket = agent.addresses.admin ?? ''
  t.equal(statSync(socket).mode & 0o777, 0o600)
  await eventually(() => isReady(agent))
  t.match(JSON.parse((await ask(socket, 'GET', '/status')).body), { node: 'vm-1', ready: true, dns: { state: 'ok' } })
  t.equal((await ask(socket, 'GET', '/drain')).status, 405)
  t.equal((await ask(socket, 'POST', '/nothing')).status, 404)
  await t.rejects(world.start(), { code: 'WEFT_LISTEN', message: /another agent/ })

  t.equal((await ask(socket, 'POST', '/drain')).status, 202)
  t.equal(await agent.ended, undefined)
  await t.rejects(ask(socket, 'GET', '/status'))
})

t.test('has metrics and health on ports of their own', async t => {
  const world = await agentWorld(t)
  const agent = await world.start()
  const { metrics = '', readiness = '' } = agent.addresses
  t.match(await ask(readiness, 'GET', '/healthz/ready'), { status: 503, body: /"config"/ })
  t.equal((await ask(readiness, 'GET', '/healthz/live')).status, 200)
  world.push(...resources(world))
  await eventually(async () => assert.equal((await ask(readiness, 'GET', '/healthz/ready')).status, 200))
  const { body } = await ask(metrics, 'GET', '/metrics')
  t.match(body, /^weft_server_connected 1$/m)
  t.match(body, new RegExp(`^weft_certificate_seconds_to_expiry\\{identity="${web}"\\} 86\\d{3}$`, 'm'))
  t.equal((await ask(metrics, 'GET', '/status')).status, 404)
  t.equal((await ask(readiness, 'POST', '/drain')).status, 404)
})

t.test('tells what it refused, without an address in any label', async t => {
  const world = await agentWorld(t)
  world.push(...resources(world))
  const agent = await world.start()
  await eventually(() => isReady(agent))
  await refusedConnection(t, agent)
  const page = await eventually(async () => {
    const { body } = await ask(agent.addresses.metrics ?? '', 'GET', '/metrics')
    assert.match(body, /^weft_connections_refused_total\{direction="outbound",reason="[A-Z_]+"\} 1$/m)
    return body
  })
  t.notMatch(page.replace(/version="[^"]*"/g, ''), /"[^"]*\d+\.\d+\.\d+\.\d+/)
})

/** A connection to the outbound listener that no rule redirected there. */
async function refusedConnection(t: Test, agent: Agent): Promise<void> {
  const port = Number(agent.addresses['outbound-default/ipv4']?.slice(1))
  await new Promise<void>(resolve => {
    const socket = connectTcp(port, '127.0.0.1')
    t.teardown(() => socket.destroy())
    socket.on('error', () => {})
    socket.resume()
    socket.once('close', () => resolve())
  })
}
