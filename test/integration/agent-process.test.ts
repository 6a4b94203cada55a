import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { aConfig, aWorkload } from '../support/agent-config.ts'
import { type AgentWorld, agentWorld, ask } from '../support/agent-world.ts'
import { eventually } from '../support/eventually.ts'

interface Process {
  readonly child: ChildProcess
  /** What it has written so far, both streams. */
  output(): string
  readonly exited: Promise<number | null>
}

/** `weft agent run` as a process of its own. */
function run(t: Test, env: Readonly<Record<string, string>>): Process {
  const child = spawn(process.execPath, ['cli/main.ts', 'agent', 'run'], {
    env: { PATH: process.env.PATH ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const take = (text: Buffer) => {
    output += text.toString()
  }
  child.stdout?.on('data', take)
  child.stderr?.on('data', take)
  const exited = once(child, 'exit').then(([code]) => code as number | null)
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
  })
  return { child, output: () => output, exited }
}

async function joined(t: Test): Promise<AgentWorld> {
  const world = await agentWorld(t)
  const base = aConfig()
  const identity = 'spiffe://mesh.test/ns/default/sa/web'
  world.push(
    { ...base.host, node: 'vm-1', trustDomain: 'mesh.test' },
    { kind: 'trust', trustDomain: 'mesh.test', sequence: 1, roots: [world.authority.root] },
    aWorkload({ identity, address: '127.0.0.1' }),
  )
  return world
}

async function ready(world: AgentWorld): Promise<Record<string, unknown>> {
  const socket = world.env().WEFT_AGENT_ADMIN_SOCKET ?? ''
  return eventually(async () => {
    const status = JSON.parse((await ask(socket, 'GET', '/status')).body)
    assert.equal(status.ready, true)
    return status
  }, 30_000)
}

t.test('serves again after a SIGKILL with the server down, and ends with 0 on SIGTERM', async t => {
  const world = await joined(t)
  const first = run(t, world.env())
  await ready(world)
  await eventually(() => assert.equal(world.sessions[0]?.status.value.ackedVersion, 1))
  first.child.kill('SIGKILL')
  await first.exited
  await world.stopServer()

  const second = run(t, world.env())
  t.match(await ready(world), { server: { connected: false }, config: { resources: 3 } })
  second.child.kill('SIGTERM')
  t.equal(await second.exited, 0)
  t.match(second.output(), /the agent stops/)
})

t.test('does not open the inspector on SIGUSR1', async t => {
  const world = await joined(t)
  const agent = run(t, world.env())
  await ready(world)
  agent.child.kill('SIGUSR1')
  await eventually(() => assert.match(agent.output(), /SIGUSR1 is ignored/))
  t.notMatch(agent.output(), /Debugger/)
  t.notOk(listensOn(9229))
  t.equal(agent.child.exitCode, null)
})

t.test('refuses an environment that would switch verification off or write keys to a file', async t => {
  const world = await joined(t)
  for (const variables of [{ NODE_TLS_REJECT_UNAUTHORIZED: '0' }, { SSLKEYLOGFILE: '/tmp/keys' }]) {
    const agent = run(t, world.env(variables))
    t.not(await agent.exited, 0)
    t.match(agent.output(), new RegExp(`${Object.keys(variables)[0]}.*WEFT_CONFIG_INVALID`))
  }
})

t.test('says in one sentence that the host has not joined', async t => {
  const world = await joined(t)
  const agent = run(t, world.env({ WEFT_AGENT_STATE_DIR: `${world.stateDir}-other` }))
  t.not(await agent.exited, 0)
  t.match(agent.output(), /this host has not joined a mesh \(WEFT_NOT_JOINED\): .*weft agent join/)
  t.notMatch(agent.output(), / {4}at /)
})

function listensOn(port: number): boolean {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  return ['/proc/net/tcp', '/proc/net/tcp6'].some(file =>
    readFileSync(file, 'utf8')
      .split('\n')
      .some(line => new RegExp(`^\\s*\\d+: [0-9A-F]+:${hex} \\S+ 0A`).test(line)),
  )
}
