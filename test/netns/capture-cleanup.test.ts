import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { answerOn, dialFrom, plainPlan, program, startCaptureAgent } from './captured-host.ts'
import { cgroupRoot } from './cgroups.ts'
import type { Host } from './host.ts'
import { createWorld } from './world.ts'

const cleanup = (host: Host) => host.must(process.execPath, [program('cleanup-capture')])

/** An empty built-in chain in a table that others use: iptables-save tells no difference, and iptables cannot either. */
const emptyChain = /\tchain [A-Z]+ \{\n\t\ttype .*; policy accept;\n\t\}\n\n?/g

/** Everything that capture could leave behind on a host. */
async function traces(host: Host): Promise<string> {
  const ruleset = (await host.must('nft', ['list', 'ruleset'])).replace(emptyChain, '').replace(/\n+\}/g, '\n}')
  const sets = await host.must('ipset', ['save'])
  const routes = (await host.must('ip', ['-4', 'route'])) + (await host.must('ip', ['-6', 'route']))
  const cgroups = readdirSync(join(cgroupRoot(), host.cgroupPath()), { recursive: true, encoding: 'utf8' })
  const agents = cgroups.filter(path => path.includes('weft-agent-'))
  return [await host.rules(), ruleset.replace(/packets \d+ bytes \d+/g, ''), sets, routes, ...agents].join('\n----\n')
}

const worlds: readonly { title: string; prepare: readonly (readonly string[])[] }[] = [
  { title: 'that never had a rule', prepare: [] },
  {
    title: 'whose tables were there but empty',
    prepare: [
      ['iptables', '-t', 'nat', '-L'],
      ['ip6tables', '-t', 'nat', '-A', 'OUTPUT', '-j', 'ACCEPT'],
      ['ip6tables', '-t', 'nat', '-D', 'OUTPUT', '-j', 'ACCEPT'],
    ],
  },
  {
    title: 'with rules, chains, sets and routes of others',
    prepare: [
      ['iptables', '-t', 'nat', '-N', 'DOCKER'],
      ['iptables', '-t', 'nat', '-A', 'OUTPUT', '!', '-d', '127.0.0.0/8', '-j', 'DOCKER'],
      ['ip6tables', '-A', 'INPUT', '-p', 'tcp', '--dport', '23', '-j', 'DROP'],
      ['iptables', '-P', 'FORWARD', 'DROP'],
      ['iptables', '-t', 'mangle', '-A', 'OUTPUT', '-p', 'icmp', '-j', 'ACCEPT'],
      ['ipset', 'create', 'blocked', 'hash:ip'],
      ['ip', 'route', 'add', '10.99.0.0/16', 'dev', 'lo'],
    ],
  },
]

for (const { title, prepare } of worlds) {
  t.test(`cleanup leaves a host ${title} as it was, to the byte, also twice`, async t => {
    const { hosts } = await createWorld(t, { hosts: ['h1'], noDefaultRoute: true })
    const { h1 } = hosts
    for (const [file = '', ...args] of prepare) await h1.must(file, args)
    const before = await traces(h1)
    const plan = {
      ...plainPlan,
      endpoints: [{ address: h1.address6, port: 8080 }],
      inbound: [{ address: h1.address4, port: 8080 }],
    }
    const agent = await startCaptureAgent(h1, { plan, listen: [15001] })
    t.not(await traces(h1), before)
    await agent.kill('SIGKILL')
    t.equal(await cleanup(h1), 'clean\n')
    t.equal(await traces(h1), before)
    t.equal(await cleanup(h1), 'clean\n')
    t.equal(await traces(h1), before)
  })
}

t.test('a killed agent leaves mesh addresses refused and everything else working', async t => {
  const { hosts } = await createWorld(t, { hosts: ['h1', 'h2'] })
  const { h1, h2 } = hosts
  for (const port of [22, 8080, 9090]) await answerOn(h2, port, `h2 on ${port}`)
  await answerOn(h1, 22, 'h1 on 22')
  const endpoints = [h2.address4, h2.address6].map(address => ({ address, port: 8080 }))
  const agent = await startCaptureAgent(h1, { plan: { ...plainPlan, endpoints }, listen: [15001] })
  await agent.kill('SIGKILL')
  for (const address of ['240.240.0.1', 'fd00:240::1', h2.address4, h2.address6]) {
    t.equal(await dialFrom(h1, address, 8080), 'ECONNREFUSED', `${address}: refused, neither silent nor let through`)
  }
  t.equal(await dialFrom(h1, h2.address4, 9090), 'h2 on 9090')
  t.equal(await dialFrom(h1, h2.address6, 22), 'h2 on 22')
  t.equal(await dialFrom(h2, h1.address4, 22), 'h1 on 22')
})

t.test(
  'an agent starts again after each of ten kills, at whatever moment, and leaves no rules of earlier lives',
  async t => {
    const { hosts } = await createWorld(t, { hosts: ['h1'] })
    const { h1 } = hosts
    const args = [program('capture-agent'), JSON.stringify({ plan: plainPlan, listen: [15001] })]
    const one = await startCaptureAgent(h1, { plan: plainPlan, listen: [15001] })
    const jumps = async () => (await h1.rules()).split('\n').filter(line => line.includes('-j WEFT_'))
    const expected = await jumps()
    await one.kill('SIGKILL')
    for (let life = 0; life < 10; life += 1) {
      const doomed = h1.spawn(process.execPath, args)
      // each life ends a little later than the one before: during the self-test, the transaction, the set, after it
      await new Promise(resolve => setTimeout(resolve, 60 + life * 25))
      await doomed.kill('SIGKILL')
    }
    const last = await startCaptureAgent(h1, { plan: plainPlan, listen: [15001] })
    t.equal(await dialFrom(h1, '240.240.0.1', 80), '15001 240.240.0.1 80')
    t.same(await jumps(), expected)
    t.notMatch(await h1.rules(), 'WEFT_SELFTEST')
    await last.kill('SIGKILL')
  },
)

t.test('a graceful stop leaves mesh addresses refused when closed, and lets them pass when open', async t => {
  const { hosts } = await createWorld(t, { hosts: ['h1', 'h2'] })
  const { h1, h2 } = hosts
  await answerOn(h2, 8080, 'h2')
  const before = await traces(h1)
  const plan = { ...plainPlan, endpoints: [{ address: h2.address4, port: 8080 }] }
  const closed = await startCaptureAgent(h1, { onAgentDown: 'closed', plan, listen: [15001] })
  t.equal(await closed.ask('stop'), 'done stop')
  await closed.exited
  t.equal(await dialFrom(h1, h2.address4, 8080), 'ECONNREFUSED')
  const open = await startCaptureAgent(h1, { onAgentDown: 'open', plan, listen: [15001] })
  t.equal(await dialFrom(h1, h2.address4, 8080), `15001 ${h2.address4} 8080`)
  t.equal(await open.ask('stop'), 'done stop')
  await open.exited
  t.equal(await dialFrom(h1, h2.address4, 8080), 'h2')
  t.equal(await traces(h1), before)
})
