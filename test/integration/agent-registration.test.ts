import assert from 'node:assert/strict'
import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Agent } from '../../agent/agent.ts'
import { connectAgent } from '../../cli/agent-client.ts'
import { createContext } from '../../cli/context.ts'
import { buildProgram } from '../../cli/program.ts'
import { systemClock } from '../../mesh/std/clock.ts'
import { serveGrpc } from '../../server/push/grpc.ts'
import { aConfig, aWorkload } from '../support/agent-config.ts'
import { type AgentWorld, agentWorld } from '../support/agent-world.ts'
import { eventually } from '../support/eventually.ts'

/** Runs the command line against the agent of this world and gives what it printed. */
async function weft(world: AgentWorld, ...args: string[]): Promise<string> {
  const printed: string[] = []
  const context = createContext(
    systemClock,
    text => printed.push(text),
    () => assert.fail('no server is asked'),
    async options => connectAgent(options, world.env()),
  )
  await buildProgram(context).parseAsync(args, { from: 'user' })
  return printed.join('\n')
}

function lastReported(world: AgentWorld) {
  return world.reports.at(-1)?.registrations ?? []
}

async function reported(world: AgentWorld, expected: readonly object[]): Promise<void> {
  await eventually(() => assert.deepEqual(lastReported(world), expected))
}

const group = 'default/payments'
const one = { group, name: 'vm-1', address: '10.0.0.1', ports: {}, maintenance: '' }

t.test('what is registered by command is told to the server, kept on disk, and told again after a restart', async t => {
  const world = await agentWorld(t)
  const agent = await world.start()
  const said = await weft(world, 'register', '--group', group, '--address', '10.0.0.1', '--port', 'http=8080')
  t.match(said, /^vm-1 is registered here/)
  const registered = { ...one, ports: { http: 8080 } }
  await reported(world, [registered])
  await weft(world, 'maintain', 'vm-1', '--reason', 'disk swap')
  await reported(world, [{ ...registered, maintenance: 'disk swap' }])
  t.match(statSync(join(world.stateDir, 'registrations')).mode & 0o777, 0o600)

  await agent.stop()
  await reported(world, [])
  world.reports.length = 0
  await world.start()
  await eventually(() => assert.ok(world.reports.length > 0))
  t.same(world.reports[0]?.registrations, [{ ...registered, maintenance: 'disk swap' }], 'with the first report')

  await weft(world, 'maintain', 'vm-1', '--off')
  await reported(world, [registered])
  await weft(world, 'deregister', 'vm-1')
  await reported(world, [])
  t.equal(await weft(world, 'register', '--list'), 'this host is not registered')
})

t.test('a broken file of registrations is set aside, the agent starts', async t => {
  const world = await agentWorld(t)
  writeFileSync(join(world.stateDir, 'registrations'), 'nonsense', { mode: 0o600 })
  const agent = await world.start()
  t.match(agent.status(), { registrations: [], stateProblems: [/^registrations was set aside/] })
})

for (const serve of [undefined, serveGrpc]) {
  const transport = serve === undefined ? 'websocket' : 'grpc'
  t.test(`an agent registers by its settings over ${transport}, and leaves before it closes the channel`, async t => {
    const world = await agentWorld(t, serve)
    const agent = await world.start({
      WEFT_AGENT_SERVER_TRANSPORT: transport,
      WEFT_AGENT_REGISTER_GROUP: group,
      WEFT_AGENT_REGISTER_ADDRESS: '10.0.0.1',
    })
    await reported(world, [one])
    const session = world.sessions[0]
    assert.ok(session)
    let reportsAtClose: number | undefined
    const closed = session.closed.then(() => {
      reportsAtClose = world.reports.length
    })
    const stopping = agent.stop()
    await closed
    t.same(lastReported(world), [], 'the last word on this channel')
    t.equal(reportsAtClose, world.reports.length)
    t.equal(agent.status().ready, false, 'it is not ready any more')
    await stopping
  })
}

t.test('the list says what this host knows, and no more', async t => {
  const world = await agentWorld(t)
  const agent = await world.start()
  await weft(world, 'register', '--group', group, '--address', '10.0.0.1')
  await stateBecomes(agent, 'unconfirmed')
  t.match(await weft(world, 'register', '--list'), /! unconfirmed: the server has not taken it/)
  pushWorkload(world)
  await stateBecomes(agent, 'published')
  await weft(world, 'maintain', 'vm-1')
  t.match(
    await weft(world, 'register', '--list'),
    /vm-1 +default\/payments +10.0.0.1 +\(of the group\) +command +published, maintenance: maintenance$/m,
  )
  await world.stopServer()
  await stateBecomes(agent, 'unreported')
})

async function stateBecomes(agent: Agent, state: string): Promise<void> {
  await eventually(() => assert.equal(agent.status().registrations[0]?.state, state))
}

function pushWorkload(world: AgentWorld): void {
  const base = aConfig()
  world.push(
    { ...base.host, node: 'vm-1', trustDomain: 'mesh.test' },
    { kind: 'trust', trustDomain: 'mesh.test', sequence: 1, roots: [world.authority.root] },
    aWorkload({
      id: 'hosts/default/vm-1',
      identity: 'spiffe://mesh.test/ns/default/sa/payments',
      address: '127.0.0.1',
    }),
  )
}

t.test('what is wrong is said in the agent’s words', async t => {
  const world = await agentWorld(t)
  await t.rejects(weft(world, 'register', '--list'), { code: 'WEFT_AGENT_UNREACHABLE' })
  await world.start()
  const rows: [string[], { code: string; message?: string | RegExp }][] = [
    [['register'], { code: 'WEFT_USAGE', message: '--group is missing' }],
    [['register', '--group', 'payments'], { code: 'WEFT_REGISTRATION_INVALID', message: /WorkloadGroup/ }],
    [['register', '--group', group, '--name', 'A'], { code: 'WEFT_REGISTRATION_INVALID', message: /^name "A"/ }],
    [['register', '--group', group, '--port', 'http'], { code: 'WEFT_REGISTRATION_INVALID', message: /name>=<port/ }],
    [['deregister', 'x'], { code: 'WEFT_NOT_FOUND', message: /nothing is registered as "x"/ }],
    [['maintain', 'x'], { code: 'WEFT_NOT_FOUND' }],
    [['maintain', 'x', '--off', '--reason', 'why'], { code: 'WEFT_USAGE' }],
  ]
  for (const [args, error] of rows) await t.rejects(weft(world, ...args), error, args.join(' '))
  t.same(lastReported(world), [])
})

t.test('requests that are no registrations are refused', async t => {
  const world = await agentWorld(t)
  await world.start()
  const agent = connectAgent({}, world.env())
  for (const body of ['', 'x', '[]', '{"group":1}', '{"group":"a/b","ports":{"http":"80"}}', '{"ports":[]}']) {
    await t.rejects(agent.post('/register', body), { code: /WEFT_USAGE|WEFT_REGISTRATION_INVALID/ }, body)
  }
  await t.rejects(agent.post('/deregister', '{}'), { code: 'WEFT_USAGE', message: 'name is missing' })
})
