import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import t, { type Test } from 'tap'
import type { AgentResource, LocalWorkloadResource } from '../../mesh/model/agent-config.ts'
import { type Probe, probeDefaults } from '../../mesh/model/probe.ts'
import type { WorkloadHealth } from '../../mesh/wire/messages.ts'
import { aConfig, aWorkload } from '../support/agent-config.ts'
import { type AgentWorld, agentWorld, ask } from '../support/agent-world.ts'
import { eventually } from '../support/eventually.ts'

const quick = { ...probeDefaults, periodMs: 100, failureThreshold: 2 }

function resources(world: AgentWorld, ...workloads: readonly LocalWorkloadResource[]): AgentResource[] {
  const { host } = aConfig()
  const trust = { kind: 'trust', trustDomain: 'mesh.test', sequence: 1, roots: [world.authority.root] } as const
  return [{ ...host, node: 'vm-1', trustDomain: 'mesh.test' }, trust, ...workloads]
}

function probed(id: string, probe: Probe): LocalWorkloadResource {
  const { identity: _, ...workload } = aWorkload({ id, address: '127.0.0.1', probes: [probe], ports: [] })
  return workload
}

async function backend(t: Test, port = 0): Promise<{ server: Server; port: number }> {
  const server = createServer(socket => socket.on('error', () => {}).resume())
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return { server, port: address.port }
}

/** Waits until the agent's last report says this of a workload. */
function told(world: AgentWorld, workload: string, healthy: boolean): Promise<WorkloadHealth> {
  return eventually(() => {
    const found = world.reports.at(-1)?.health.find(one => one.workload === workload)
    if (found?.healthy !== healthy) throw new Error(`the agent says ${JSON.stringify(world.reports.at(-1))}`)
    return found
  })
}

t.test('an agent checks its workloads and tells the server when they fail and when they are back', async t => {
  const world = await agentWorld(t)
  const agent = await world.start()
  const { server, port } = await backend(t)
  world.push(...resources(world, probed('static/api-1', { ...quick, check: { kind: 'tcp', port } })))
  await told(world, 'static/api-1', true)
  await new Promise(resolve => server.close(resolve))
  t.same(await told(world, 'static/api-1', false), {
    workload: 'static/api-1',
    healthy: false,
    reason: `tcp 127.0.0.1:${port}: connection refused`,
  })
  t.match(agent.status().health, [
    {
      workload: 'static/api-1',
      state: 'unhealthy',
      probes: [{ check: `tcp 127.0.0.1:${port}`, state: 'unhealthy', failure: 'connection refused' }],
    },
  ])
  t.match(JSON.parse((await ask(agent.addresses.admin ?? '', 'GET', '/status')).body), {
    health: [{ workload: 'static/api-1', state: 'unhealthy' }],
  })
  await backend(t, port)
  await told(world, 'static/api-1', true)
  world.push(...resources(world))
  await eventually(() => {
    if (world.reports.at(-1)?.health.length !== 0) throw new Error('still told')
  })
})

t.test('what was found while the server was away is the first thing it hears', async t => {
  const world = await agentWorld(t)
  const agent = await world.start()
  const { server, port } = await backend(t)
  world.push(...resources(world, probed('static/api-1', { ...quick, check: { kind: 'tcp', port } })))
  await told(world, 'static/api-1', true)
  await world.stopServer()
  await new Promise(resolve => server.close(resolve))
  await eventually(() => {
    if (agent.status().health[0]?.state !== 'unhealthy') throw new Error('not noticed')
  })
  const before = world.reports.length
  await world.startServer()
  await eventually(() => {
    if (world.reports.length === before) throw new Error('no report yet')
  })
  t.match(world.reports[before]?.health, [{ workload: 'static/api-1', healthy: false }])
})

t.test('commands are run only by an agent whose settings say so', async t => {
  const probe = { ...quick, failureThreshold: 1, check: { kind: 'exec', command: ['true'] } } as const
  const careful = await agentWorld(t)
  await careful.start()
  careful.push(...resources(careful, probed('static/job-1', probe)))
  t.match(await told(careful, 'static/job-1', false), { reason: /^exec true: .*health\.exec/ })

  const trusting = await agentWorld(t)
  await trusting.start({ WEFT_AGENT_HEALTH_EXEC: 'true' })
  trusting.push(...resources(trusting, probed('static/job-1', probe)))
  await told(trusting, 'static/job-1', true)
})
