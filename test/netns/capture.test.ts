import t from 'tap'
import { answerOn, dialFrom, plainPlan, program, startCaptureAgent } from './captured-host.ts'
import { createWorld } from './world.ts'

t.test('connections to virtual addresses of both families come with where they were going', async t => {
  const { hosts } = await createWorld(t, { hosts: ['h1'] })
  await startCaptureAgent(hosts.h1, { plan: plainPlan, listen: [15001] })
  t.equal(await dialFrom(hosts.h1, '240.240.3.7', 80), '15001 240.240.3.7 80')
  t.equal(await dialFrom(hosts.h1, 'fd00:240::7', 8080), '15001 fd00:240::7 8080')
  t.equal(await dialFrom(hosts.h1, '240.240.3.7', 22), '15001 240.240.3.7 22', 'every port of a virtual address')
  t.equal(await dialFrom(hosts.h1, '127.0.0.1', 15001), '15001 direct', 'a caller of the listener itself is told apart')
  t.equal(await dialFrom(hosts.h1, '::1', 15001), '15001 direct')
})

t.test('virtual addresses work on a host without any route to them', async t => {
  const { hosts } = await createWorld(t, { hosts: ['h1'], noDefaultRoute: true })
  t.equal(await dialFrom(hosts.h1, '240.240.0.1', 80), 'ENETUNREACH')
  await startCaptureAgent(hosts.h1, { plan: plainPlan, listen: [15001] })
  t.equal(await dialFrom(hosts.h1, '240.240.0.1', 80), '15001 240.240.0.1 80')
  t.equal(await dialFrom(hosts.h1, 'fd00:240::1', 80), '15001 fd00:240::1 80')
})

t.test('known endpoints are captured, other ports and hosts and SSH are not', async t => {
  const { hosts } = await createWorld(t, { hosts: ['h1', 'h2'] })
  const { h1, h2 } = hosts
  for (const port of [8080, 9090, 22]) await answerOn(h2, port, `h2 on ${port}`)
  await answerOn(h1, 22, 'h1 on 22')
  const endpoints = [h2.address4, h2.address6].flatMap(address => [22, 8080].map(port => ({ address, port })))
  await startCaptureAgent(h1, { plan: { ...plainPlan, endpoints }, listen: [15001] })
  t.equal(await dialFrom(h1, h2.address4, 8080), `15001 ${h2.address4} 8080`)
  t.equal(await dialFrom(h1, h2.address6, 8080), `15001 ${h2.address6} 8080`)
  t.equal(await dialFrom(h1, h2.address4, 9090), 'h2 on 9090')
  t.equal(await dialFrom(h1, h2.address6, 9090), 'h2 on 9090')
  t.equal(await dialFrom(h1, h2.address4, 22), 'h2 on 22', 'SSH is never captured, whatever is declared')
  t.equal(await dialFrom(h2, h1.address6, 22), 'h1 on 22')
})

t.test('the set of endpoints follows the plan while rules stay', async t => {
  const { hosts } = await createWorld(t, { hosts: ['h1', 'h2'] })
  const { h1, h2 } = hosts
  await answerOn(h2, 8080, 'h2')
  const agent = await startCaptureAgent(h1, { plan: plainPlan, listen: [15001] })
  t.equal(await dialFrom(h1, h2.address4, 8080), 'h2')
  const endpoints = [{ address: h2.address4, port: 8080 }]
  t.equal(await agent.ask(`plan ${JSON.stringify({ ...plainPlan, endpoints })}`), 'done plan')
  t.equal(await dialFrom(h1, h2.address4, 8080), `15001 ${h2.address4} 8080`)
  t.equal(await agent.ask(`plan ${JSON.stringify(plainPlan)}`), 'done plan')
  t.equal(await dialFrom(h1, h2.address4, 8080), 'h2')
})

t.test('the agent itself is exempt in both families, and nobody else', async t => {
  const { hosts } = await createWorld(t, { hosts: ['h1', 'h2'] })
  const { h1, h2 } = hosts
  await answerOn(h2, 8080, 'h2')
  const endpoints = [h2.address4, h2.address6].map(address => ({ address, port: 8080 }))
  const agent = await startCaptureAgent(h1, { plan: { ...plainPlan, endpoints }, listen: [15001] })
  t.equal(await agent.ask(`dial ${h2.address4} 8080`), 'dialled h2')
  t.equal(await agent.ask(`dial ${h2.address6} 8080`), 'dialled h2')
  t.equal(
    await agent.ask('dial 240.240.0.1 80'),
    'dialled ECONNREFUSED',
    'its own call to a virtual address is no loop',
  )
  t.equal(await dialFrom(h1, h2.address4, 8080), `15001 ${h2.address4} 8080`, 'others are not exempt')
})

t.test('an agent without a cgroup of its own is exempt by its user, unless others run as that user', async t => {
  const { hosts } = await createWorld(t, { hosts: ['h1', 'h2'] })
  const { h1, h2 } = hosts
  await answerOn(h2, 8080, 'h2')
  const endpoints = [h2.address4, h2.address6].map(address => ({ address, port: 8080 }))
  const config = JSON.stringify({ plan: { ...plainPlan, endpoints }, listen: [15001] })
  const capabilities = '+net_admin,+net_raw'
  const command = ['--reuid=4500', '--regid=4500', '--clear-groups', `--inh-caps=${capabilities}`]
  command.push(`--ambient-caps=${capabilities}`, process.execPath, program('capture-agent'), config)

  const other = h1.spawn('sleep', ['1000'], { uid: 4500 })
  const refused = await h1.exec('setpriv', command)
  t.match(refused.stderr, 'other programs run as the user of the agent')
  t.notMatch(await h1.rules(), 'WEFT_')
  await other.kill()

  const agent = h1.spawn('setpriv', command)
  await agent.line('captured')
  agent.write(`dial ${h2.address4} 8080\n`)
  t.equal(await agent.line('dialled'), 'dialled h2')
  t.equal(await dialFrom(h1, h2.address6, 8080), `15001 ${h2.address6} 8080`)
  t.equal(await dialFrom(h1, '240.240.0.1', 80, { uid: 4501 }), '15001 240.240.0.1 80')
})

t.test('declared plaintext ports are taken from outside, on the declared address only', async t => {
  const { hosts } = await createWorld(t, { hosts: ['h1', 'h2'] })
  const { h1, h2 } = hosts
  for (const port of [8080, 9090, 22]) await answerOn(h1, port, `h1 on ${port}`)
  const inbound = [
    { address: h1.address4, port: 8080 },
    { address: '::', port: 8080 },
    { address: h1.address4, port: 22 },
  ]
  await startCaptureAgent(h1, { plan: { ...plainPlan, inbound }, listen: [15001, 15006] })
  t.equal(await dialFrom(h2, h1.address4, 8080), `15006 ${h1.address4} 8080`)
  t.equal(await dialFrom(h2, h1.address6, 8080), `15006 ${h1.address6} 8080`, 'every address of the host')
  t.equal(await dialFrom(h2, h1.address4, 9090), 'h1 on 9090', 'undeclared')
  t.equal(await dialFrom(h2, h1.address4, 22), 'h1 on 22', 'SSH stays reachable even if somebody declares it')
  t.equal(await dialFrom(h1, h1.address4, 8080), 'h1 on 8080', 'not from the host itself')
  t.equal(await dialFrom(h1, '127.0.0.1', 8080), 'h1 on 8080')
})

t.test('capturing everything takes unknown destinations too, but not the host itself or what is excluded', async t => {
  const { hosts } = await createWorld(t, { hosts: ['h1', 'h2'] })
  const { h1, h2 } = hosts
  for (const port of [8080, 9999, 8301]) await answerOn(h2, port, 'h2')
  await answerOn(h1, 8080, 'h1')
  await startCaptureAgent(h1, { mode: 'all', plan: plainPlan, listen: [15001], excludePorts: [9999] })
  t.equal(await dialFrom(h1, h2.address4, 8080), `15001 ${h2.address4} 8080`)
  t.equal(await dialFrom(h1, h2.address6, 8080), `15001 ${h2.address6} 8080`)
  t.equal(await dialFrom(h1, h2.address4, 9999), 'h2')
  t.equal(await dialFrom(h1, h2.address4, 8301), 'h2', "Consul's own ports")
  t.equal(await dialFrom(h1, h1.address4, 8080), 'h1')
  t.equal(await dialFrom(h1, '127.0.0.1', 8080), 'h1')
})

t.test('a plan that makes no sense is refused and the last one stays', async t => {
  const { hosts } = await createWorld(t, { hosts: ['h1'] })
  const agent = await startCaptureAgent(hosts.h1, { plan: plainPlan, listen: [15001] })
  const bad = { ...plainPlan, virtualIpRanges: ['240.241.0.0/16\n-A OUTPUT -j DROP'] }
  t.match(await agent.ask(`plan ${JSON.stringify(bad)}`), 'failed the capture plan has an invalid address range')
  t.match(await agent.status(), { active: true })
  t.equal(await dialFrom(hosts.h1, '240.240.0.1', 1), '15001 240.240.0.1 1')
})
