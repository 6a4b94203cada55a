import t from 'tap'
import { plainPlan, program } from './captured-host.ts'
import { createWorld } from './world.ts'

t.test('with captured DNS an unmodified program finds mesh names, and all others as before', async t => {
  const { hosts } = await createWorld(t, { hosts: ['h1', 'resolver', 'h2'] })
  const { h1, resolver } = hosts
  const server = resolver.spawn(process.execPath, [program('name-server'), '192.0.2.7'])
  await server.line('listening')
  const lookUp = async (name: string) => (await h1.exec('getent', ['ahostsv4', name])).stdout.split(/\s+/)[0]
  for (const address of [resolver.address4, resolver.address6]) {
    h1.resolvConf(`nameserver ${address}\noptions timeout:1 attempts:1\n`)
    t.equal(await lookUp('api.default.mesh'), '192.0.2.7', 'before: the resolver answers everything')
    const plan = { ...plainPlan, dnsPort: 15053 }
    const agent = h1.spawn(process.execPath, [program('dns-agent'), JSON.stringify(plan)], {
      cgroup: 'system.slice/weft-agent.service',
    })
    await agent.line('captured')
    t.equal(await lookUp('api.default.mesh'), '240.240.0.1')
    t.equal(await lookUp('www.example.com'), '192.0.2.7')
    t.match((await h1.exec('getent', ['ahostsv6', 'api.default.mesh'])).stdout, 'fd00:240::1')
    await agent.kill()
    t.equal(await h1.must(process.execPath, [program('cleanup-capture')]), 'clean\n')
    t.equal(await lookUp('www.example.com'), '192.0.2.7', 'after: as before')
  }
})
