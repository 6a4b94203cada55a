import { equal } from 'node:assert/strict'
import t from 'tap'
import { eventually } from '../support/eventually.ts'
import { dialFrom, plainPlan, startCaptureAgent } from './captured-host.ts'
import { createWorld } from './world.ts'

const own = (port: number) => `${port} 240.240.0.1 80`
const web = 'system.slice/web.service'
const api = 'system.slice/odd\\x2dname "api".service'

t.test('callers are told apart by uid, and a stranger goes to the default port', async t => {
  const { hosts } = await createWorld(t, { hosts: ['h1'] })
  const { h1 } = hosts
  const callers = [
    { selectors: [{ kind: 'uid', uid: 4001 } as const], port: 15101 },
    { selectors: [{ kind: 'user', user: 'nobody' } as const, { kind: 'uid', uid: 4002 } as const], port: 15102 },
    { selectors: [{ kind: 'user', user: 'no-such-user' } as const], port: 15103 },
  ]
  const listen = [15001, 15101, 15102, 15103]
  const agent = await startCaptureAgent(h1, { plan: { ...plainPlan, callers }, listen })
  t.equal(await dialFrom(h1, '240.240.0.1', 80, { uid: 4001 }), own(15101))
  t.equal(await dialFrom(h1, 'fd00:240::1', 80, { uid: 4001 }), '15101 fd00:240::1 80')
  t.equal(await dialFrom(h1, '240.240.0.1', 80, { uid: 4002 }), own(15102))
  t.equal(await dialFrom(h1, '240.240.0.1', 80, { uid: 65534 }), own(15102))
  t.equal(await dialFrom(h1, '240.240.0.1', 80, { uid: 4003 }), own(15001))
  t.equal(await dialFrom(h1, '240.240.0.1', 80), own(15001))
  t.match(
    (await agent.status()).callers.map(({ state }) => state),
    ['matched', 'matched', 'matched', 'unknown-user'],
  )
})

t.test('callers are told apart by cgroup, also below it, whoever they run as', async t => {
  const { hosts } = await createWorld(t, { hosts: ['h1'] })
  const { h1 } = hosts
  for (const cgroup of [web, api]) h1.makeCgroup(cgroup)
  const callers = [
    { selectors: [{ kind: 'cgroup', path: h1.cgroupPath(web) } as const], port: 15101 },
    { selectors: [{ kind: 'cgroup', path: `/${h1.cgroupPath(api)}/` } as const], port: 15102 },
  ]
  await startCaptureAgent(h1, { plan: { ...plainPlan, callers }, listen: [15001, 15101, 15102] })
  t.equal(await dialFrom(h1, '240.240.0.1', 80, { cgroup: web }), own(15101))
  t.equal(await dialFrom(h1, '240.240.0.1', 80, { cgroup: api }), own(15102))
  t.equal(await dialFrom(h1, '240.240.0.1', 80, { cgroup: `${api}/worker`, uid: 4001 }), own(15102))
  t.equal(await dialFrom(h1, 'fd00:240::1', 80, { cgroup: api }), '15102 fd00:240::1 80')
  t.equal(await dialFrom(h1, '240.240.0.1', 80, { cgroup: 'system.slice/other.service' }), own(15001))
})

t.test('a cgroup that does not exist yet is left out, and matched once it appears', async t => {
  const { hosts } = await createWorld(t, { hosts: ['h1'] })
  const { h1 } = hosts
  const deep = 'nomad.slice/share.slice/web.scope'
  const callers = [{ selectors: [{ kind: 'cgroup', path: h1.cgroupPath(deep) } as const], port: 15101 }]
  const agent = await startCaptureAgent(h1, {
    plan: { ...plainPlan, callers },
    listen: [15001, 15101],
    // longer than the test: what is seen here comes from watching the tree, not from looking now and then
    verifyIntervalMs: 600_000,
  })
  t.equal((await agent.status()).callers[0]?.state, 'absent')
  t.equal(await dialFrom(h1, '240.240.0.1', 80), own(15001))
  h1.makeCgroup(deep)
  await eventually(async () => equal((await agent.status()).callers[0]?.state, 'matched'))
  t.equal(await dialFrom(h1, '240.240.0.1', 80, { cgroup: deep }), own(15101))
  await h1.removeCgroup(deep)
  await eventually(async () => equal((await agent.status()).callers[0]?.state, 'absent'))
})

t.test('the first connection of a restarted service is its own or unknown, never of another workload', async t => {
  const { hosts } = await createWorld(t, { hosts: ['h1'] })
  const { h1 } = hosts
  const callers = [
    { selectors: [{ kind: 'cgroup', path: h1.cgroupPath(web) } as const], port: 15101 },
    { selectors: [{ kind: 'cgroup', path: h1.cgroupPath(api) } as const], port: 15102 },
    { selectors: [{ kind: 'uid', uid: 4001 } as const], port: 15103 },
  ]
  for (const cgroup of [web, api]) h1.makeCgroup(cgroup)
  await startCaptureAgent(h1, {
    plan: { ...plainPlan, callers },
    listen: [15001, 15101, 15102, 15103],
    verifyIntervalMs: 600_000,
  })
  const first: string[] = []
  for (let restart = 0; restart < 10; restart += 1) {
    await h1.removeCgroup(web)
    first.push(await dialFrom(h1, '240.240.0.1', 80, { cgroup: web }))
    await eventually(async () => {
      const later = await dialFrom(h1, '240.240.0.1', 80, { cgroup: web })
      if (later !== own(15101)) throw new Error(later)
    })
  }
  t.same(
    first.filter(heard => heard !== own(15101) && heard !== own(15001)),
    [],
  )
  t.equal(await dialFrom(h1, '240.240.0.1', 80, { cgroup: api }), own(15102), 'the others kept theirs all the time')
})

t.test('a service whose user is another workload keeps its own identity through restarts', async t => {
  const { hosts } = await createWorld(t, { hosts: ['h1'] })
  const { h1 } = hosts
  const callers = [
    { selectors: [{ kind: 'uid', uid: 4001 } as const], port: 15101 },
    { selectors: [{ kind: 'cgroup', path: h1.cgroupPath(api) } as const], port: 15102 },
  ]
  const service = h1.spawn('sleep', ['1000'], { cgroup: api, uid: 4001 })
  const agent = await startCaptureAgent(h1, { plan: { ...plainPlan, callers }, listen: [15001, 15101, 15102] })
  await eventually(async () => equal((await agent.status()).callers[0]?.state, 'ambiguous'))
  t.equal(await dialFrom(h1, '240.240.0.1', 80, { cgroup: api, uid: 4001 }), own(15102))
  await service.kill()
  await h1.removeCgroup(api)
  const first = await dialFrom(h1, '240.240.0.1', 80, { cgroup: api, uid: 4001 })
  t.ok([own(15001), own(15102)].includes(first), first)
})

t.test('a workload calls itself through its own virtual address', async t => {
  const { hosts } = await createWorld(t, { hosts: ['h1'], noDefaultRoute: true })
  const { h1 } = hosts
  const callers = [{ selectors: [{ kind: 'uid', uid: 4001 } as const], port: 15101 }]
  const endpoints = [{ address: h1.address4, port: 8080 }]
  await startCaptureAgent(h1, { plan: { ...plainPlan, callers, endpoints }, listen: [15001, 15101] })
  t.equal(await dialFrom(h1, '240.240.0.1', 80, { uid: 4001 }), own(15101))
  t.equal(await dialFrom(h1, h1.address4, 8080, { uid: 4001 }), `15101 ${h1.address4} 8080`, 'and its real one')
})
