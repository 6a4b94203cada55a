import { equal } from 'node:assert/strict'
import t from 'tap'
import { eventually } from '../support/eventually.ts'
import { dialFrom, plainPlan, startCaptureAgent } from './captured-host.ts'
import { createWorld } from './world.ts'

const captured = '15001 240.240.0.1 80'

const damages: readonly { title: string; commands: readonly (readonly string[])[] }[] = [
  {
    title: 'a jump was deleted',
    commands: [
      ['iptables', '-t', 'nat', '-F', 'OUTPUT'],
      ['ip6tables', '-t', 'nat', '-F', 'OUTPUT'],
    ],
  },
  { title: 'our chains were flushed', commands: [['iptables', '-t', 'nat', '-F']] },
  {
    title: 'everything was flushed and deleted',
    commands: [
      ['iptables', '-t', 'nat', '-F'],
      ['iptables', '-t', 'nat', '-X'],
      ['ip6tables', '-t', 'nat', '-F'],
      ['ip6tables', '-t', 'nat', '-X'],
    ],
  },
  {
    title: 'the tables are gone altogether',
    commands: [
      ['nft', 'delete', 'table', 'ip', 'nat'],
      ['nft', 'delete', 'table', 'ip', 'filter'],
    ],
  },
  { title: 'a rule of ours was changed', commands: [['iptables', '-t', 'nat', '-D', 'WEFT_CALLER', '1']] },
  {
    title: 'somebody put a rule before ours',
    commands: [['iptables', '-t', 'nat', '-I', 'OUTPUT', '-p', 'tcp', '-d', '240.240.0.0/16', '-j', 'ACCEPT']],
  },
  { title: 'the routes were flushed', commands: [['ip', 'route', 'flush', 'dev', 'lo', 'table', 'main']] },
]

for (const { title, commands } of damages) {
  t.test(`capture is put back when ${title}`, async t => {
    const { hosts } = await createWorld(t, { hosts: ['h1'], noDefaultRoute: true })
    const { h1 } = hosts
    const agent = await startCaptureAgent(h1, { plan: plainPlan, listen: [15001] })
    t.equal(await dialFrom(h1, '240.240.0.1', 80), captured)
    // exit codes do not matter: a repair may already be under way between two of them
    for (const [file = '', ...args] of commands) await h1.exec(file, args)
    await eventually(async () => {
      const heard = [await dialFrom(h1, '240.240.0.1', 80), await dialFrom(h1, 'fd00:240::1', 80)]
      if (heard.join() !== `${captured},15001 fd00:240::1 80`) throw new Error(heard.join())
    })
    // a repair that met the tampering half done fails, and the next look puts it right
    await eventually(async () => equal((await agent.status()).active, true))
    const { repairs } = await agent.status()
    t.match(repairs, { lastReason: String })
    t.ok(repairs.count >= 1)
    t.match(agent.output.stderr, 'capture rules were put back')
  })
}

t.test('the set of endpoints is filled again when somebody empties it', async t => {
  const { hosts } = await createWorld(t, { hosts: ['h1', 'h2'] })
  const { h1, h2 } = hosts
  const endpoints = [
    { address: h2.address4, port: 8080 },
    { address: h2.address6, port: 8080 },
  ]
  await startCaptureAgent(h1, { plan: { ...plainPlan, endpoints }, listen: [15001] })
  t.equal(await dialFrom(h1, h2.address4, 8080), `15001 ${h2.address4} 8080`)
  await h1.must('ipset', ['flush'])
  await eventually(async () => {
    const heard = await dialFrom(h1, h2.address6, 8080)
    if (heard !== `15001 ${h2.address6} 8080`) throw new Error(heard)
  })
})

t.test("what goes past flushed rules to a virtual address is refused, not let out onto the host's network", async t => {
  const { hosts } = await createWorld(t, { hosts: ['h1'] })
  const { h1 } = hosts
  await startCaptureAgent(h1, { plan: plainPlan, listen: [15001], verifyIntervalMs: 600_000 })
  for (const tables of ['iptables', 'ip6tables']) await h1.must(tables, ['-t', 'nat', '-F', 'OUTPUT'])
  t.equal(await dialFrom(h1, '240.240.0.1', 80), 'ECONNREFUSED')
  t.equal(await dialFrom(h1, 'fd00:240::1', 80), 'ECONNREFUSED')
})

t.test('rules of others are never touched, and rules that stay away from us are no reason for repairs', async t => {
  const { hosts } = await createWorld(t, { hosts: ['h1'] })
  const { h1 } = hosts
  const foreign = [
    ['-t', 'nat', '-N', 'DOCKER'],
    ['-t', 'nat', '-A', 'PREROUTING', '-m', 'addrtype', '--dst-type', 'LOCAL', '-j', 'DOCKER'],
    ['-t', 'nat', '-A', 'DOCKER', '-p', 'tcp', '--dport', '8081', '-j', 'DNAT', '--to-destination', '172.17.0.2:80'],
    ['-N', 'f2b-sshd'],
    ['-A', 'INPUT', '-p', 'tcp', '--dport', '22', '-j', 'f2b-sshd'],
    ['-P', 'FORWARD', 'DROP'],
  ]
  for (const rule of foreign) await h1.must('iptables', rule)
  const before = await h1.rules()
  const agent = await startCaptureAgent(h1, { plan: plainPlan, listen: [15001] })
  await h1.must('iptables', ['-A', 'INPUT', '-p', 'tcp', '--dport', '23', '-j', 'DROP'])
  await h1.must('iptables', ['-t', 'nat', '-A', 'OUTPUT', '-p', 'tcp', '--dport', '23', '-j', 'ACCEPT'])
  await h1.must('iptables', ['-t', 'nat', '-F', 'WEFT_CALLER'])
  await eventually(async () => equal((await agent.status()).repairs.count, 1))
  const now = (await h1.rules()).split('\n')
  t.same(
    before.split('\n').filter(line => line.startsWith('-') && !now.includes(line)),
    [],
  )
  t.ok(now.includes('-A INPUT -p tcp -m tcp --dport 23 -j DROP'))
  t.ok(now.includes('-A OUTPUT -p tcp -m tcp --dport 23 -j ACCEPT'))
})
