import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test as Tap } from 'tap'
import { until } from '../support/eventually.ts'
import { createMesh } from './mesh.ts'
import { failures, startLoad } from './mesh-load.ts'
import { agentMetric, agentStatus, serve } from './mesh-probe.ts'

// a loaded machine of two cores takes more than the usual two minutes
t.setTimeout(240_000)

// `a` calls without ever trying twice; `b` and `c` both serve `api`, and `shop` by HTTP. Plaintext would be served everywhere (PERMISSIVE),
// so a connection that slips past the agent succeeds, and only the wire shows it.
const asWeb = { uid: 4001 }
const mesh = await createMesh(t, {
  hosts: ['a', 'b', 'c'],
  agent: { drainDeadlineMs: 1000 },
  files: ({ a, b, c }) => ({
    'services.yaml': `
services: [{ name: api, ports: { tcp: 9000 } }, { name: shop, ports: { http: 80 } }]
workloads:
  - { name: web-1, node: a, address: ${a.address4}, serviceAccount: web, uid: ${asWeb.uid} }
  - { name: api-1, node: b, address: ${b.address4}, serviceAccount: api, services: { api: { tcp: 9100 } } }
  - { name: shop-1, node: b, address: ${b.address4}, serviceAccount: shop, services: { shop: { http: 9200 } } }
  - { name: api-2, node: c, address: ${c.address4}, serviceAccount: api, services: { api: { tcp: 9100 } } }
  - { name: shop-2, node: c, address: ${c.address4}, serviceAccount: shop, services: { shop: { http: 9200 } } }
`,
  }),
})
const { a, b, c, cp } = mesh.hosts
const served = ['echo=9100', 'http=9200', 'echo=22', 'echo=9999']
const [onB] = await Promise.all([b, c].map(host => serve(host, host.name, host.address4, served)))
if (onB === undefined) throw new Error('b does not serve')
const services: readonly { readonly name: string; readonly virtualIps: readonly string[] }[] = JSON.parse(
  await mesh.weft('services', '-o', 'json'),
)
const virtualIpOf = (service: string) => services.find(({ name }) => name === service)?.virtualIps[0] ?? ''
const virtualIp = virtualIpOf('api')

const meshed = {
  'new-by-virtual-ip': `new@${virtualIp}/9000`,
  'new-by-endpoint': `new@${c.address4}/9100`,
  'kept-by-virtual-ip': `kept@${virtualIp}/9000`,
  'http-by-virtual-ip': `http@${virtualIpOf('shop')}/80`,
} as const
const others = { ssh: `new@${c.address4}/22`, unrelated: `kept@${c.address4}/9999` } as const
const load = await startLoad(a, { ...meshed, ...others }, asWeb)
type Report = Awaited<ReturnType<typeof load.report>>
const markers = await Promise.all(Object.keys(meshed).map(name => mesh.marker(name)))
/** A test at whose end the wire has not shown one byte of what the mesh carries. */
const faultTest = (title: string, run: (t: Tap) => Promise<void>) =>
  t.test(title, async t => {
    await run(t)
    t.same(await Promise.all(markers.map(marker => marker.count())), [0, 0, 0, 0], 'nothing was seen on the wire')
  })

const failed = (report: Report, names: readonly (keyof Report)[]) =>
  Object.fromEntries(
    names.map(name => [name, report[name].failed]).filter(([, codes]) => Object.keys(codes ?? {}).length > 0),
  )
const everyClass = [...Object.keys(meshed), ...Object.keys(others)] as (keyof Report)[]
const newClasses = ['new-by-virtual-ip', 'new-by-endpoint', 'http-by-virtual-ip'] as const
const otherClasses = ['ssh', 'unrelated'] as const

/** Waits until a whole report shows calls of every class and no failure. */
const allWell = () =>
  until('every call succeeds', async () => {
    const report = await load.report()
    return everyClass.every(name => report[name].succeeded > 5 && failures(report[name]) === 0)
  })

faultTest('a server that is killed and comes back is not noticed by any connection', async t => {
  await allWell()
  await mesh.server.kill('SIGKILL')
  await until('the agents know', async () => !(await agentStatus(mesh, 'a')).server.connected)
  await mesh.server.start()
  await mesh.settled()
  t.same(failed(await load.report(), everyClass), {})
})

faultTest('a called agent that is restarted in good order costs no new connection', async t => {
  const report = load.report()
  await report
  await mesh.agents.b.kill('SIGTERM')
  await mesh.agents.b.start()
  t.same(failed(await load.report(), [...newClasses, ...otherClasses]), {})
  await allWell()
})

faultTest(
  'an agent restarted while the server is down serves from its disk, also from the generation before',
  async t => {
    const state = join(mesh.directory, 'a-state')
    // a second generation of the config has to be on disk
    mesh.writeFile('more.yaml', 'services: [{ name: later, ports: { tcp: 1 } }]')
    await until('both generations are there', async () => readFileSync(join(state, 'config.previous')).length > 0)
    await mesh.settled()
    await mesh.server.kill('SIGKILL')
    for (const isCorrupt of [false, true]) {
      await mesh.agents.a.kill('SIGKILL')
      if (isCorrupt) {
        const bytes = readFileSync(join(state, 'config'))
        bytes[bytes.length - 20] = (bytes[bytes.length - 20] ?? 0) ^ 1
        writeFileSync(join(state, 'config'), bytes)
      }
      await mesh.agents.a.start()
      await allWell()
      const { ready, server, stateProblems } = await agentStatus(mesh, 'a')
      t.match({ ready, connected: server.connected }, { ready: true, connected: false })
      t.match(stateProblems, isCorrupt ? [/^config was set aside as config\.corrupt-.*checksum/] : [])
      t.equal(stateProblems.length, isCorrupt ? 1 : 0)
    }
    await mesh.server.start()
    await mesh.settled()
    await allWell()
  },
)

faultTest('while an agent is dead its mesh addresses refuse at once, and everything else goes on', async t => {
  await mesh.agents.a.kill('SIGKILL')
  // calls that were under way at the kill may end in any way
  await load.report()
  let dead: Report | undefined
  await until('there were calls meanwhile', async () => {
    dead = await load.report()
    return everyClass.every(name => (dead?.[name].tried ?? 0) > 5)
  })
  if (dead === undefined) return
  for (const name of Object.keys(meshed) as (keyof typeof meshed)[]) {
    t.same(dead[name].failed, { ECONNREFUSED: dead[name].tried }, name)
  }
  t.same(failed(dead, otherClasses), {})
  await mesh.agents.a.start()
  await allWell()
})

faultTest('an agent does not hear its server any more, which nobody notices yet', async () => {
  // its own bytes still arrive there; the last test sees what came of it
  await cp.must('iptables', ['-A', 'OUTPUT', '-d', c.address4, '-j', 'DROP'])
})

faultTest('rules that someone flushes are put back, and nothing passes in between', async t => {
  const repairs = () => agentMetric(a, 'weft_capture_repairs_total')
  for (const flush of [['-t', 'nat', '-F'], ['-F', 'WEFT_OUTPUT', '-t', 'nat'], ['-F']]) {
    const before = await repairs()
    await load.report()
    await a.must('iptables', flush)
    await until('the rules are back', async () => (await repairs()) > before)
    const during = await load.report()
    t.same(failed(during, [...otherClasses, 'kept-by-virtual-ip']), {})
    await allWell()
  }
})

faultTest('a host that vanishes without a word is left for another', async t => {
  await load.report()
  await b.link(false)
  // calls that are on their way to it wait until it counts as gone, then go elsewhere
  let lost = 0
  const lostRequests: Record<string, number>[] = []
  await until(
    'calls go to the other host only',
    async () => {
      const { 'new-by-virtual-ip': calls, 'http-by-virtual-ip': requests } = await load.report()
      lost += calls.tried - calls.succeeded
      if (failures(requests) > 0) lostRequests.push(requests.failed)
      return calls.tried > 25 && calls.succeeded === calls.tried && calls.longestGapMs < 1000
    },
    20_000,
  )
  t.ok(
    lost <= 1,
    `${lost} lost: nobody can save the call that was already answered by the far agent, not by its service`,
  )
  t.same(lostRequests, [], 'a request that may be sent twice is saved even then')
  await b.link(true)
  await allWell()
})

faultTest('a process that dies is left for another at once, and used again when it is back', async t => {
  await load.report()
  await onB.kill()
  let tried = 0
  await until('there were calls meanwhile', async () => {
    const report = await load.report()
    tried += report['http-by-virtual-ip'].tried
    // what it was answering when it died nobody can save
    t.ok(failures(report['http-by-virtual-ip']) <= 1, JSON.stringify(report['http-by-virtual-ip'].failed))
    t.ok(failures(report['new-by-virtual-ip']) <= 1, JSON.stringify(report['new-by-virtual-ip'].failed))
    return tried > 50
  })
  await serve(b, b.name, b.address4, served)
  await allWell()
})

faultTest('a second agent on the same host is refused and harms nobody', async t => {
  await load.report()
  const config = join(mesh.directory, 'a.json')
  const settings = JSON.parse(readFileSync(config, 'utf8'))
  const other = join(mesh.directory, 'other.json')
  writeFileSync(other, JSON.stringify({ ...settings, adminSocket: join(mesh.directory, 'other.sock') }))
  for (const [file, said] of [
    [config, /another agent is running on this host/],
    [other, /WEFT_LISTEN/],
  ] as const) {
    const cli = join(import.meta.dirname, '../../cli/main.ts')
    const options = { cgroup: 'system.slice/weft-agent.service', timeoutMs: 20_000 }
    const { code, stdout, stderr } = await a.exec(process.execPath, [cli, 'agent', 'run', '--config', file], options)
    t.equal(code, 1)
    t.match(stdout + stderr, said)
  }
  t.same(failed(await load.report(), everyClass), {})
})

faultTest('an agent that hears nothing of its server notices, serves on, and connects again', async t => {
  await until('the agent knows', async () => !(await agentStatus(mesh, 'c')).server.connected, 40_000)
  // it hears no more of the agent either, but may have heard of it a moment ago
  const stateOfC = async () => (await mesh.status()).agents.find(agent => agent.node === 'c')?.state
  await until('the server knows', async () => (await stateOfC()) === 'stale', 40_000)
  await load.report()
  await cp.must('iptables', ['-F', 'OUTPUT'])
  await mesh.settled()
  t.same(failed(await load.report(), everyClass), {})
})
