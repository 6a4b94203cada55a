import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { cgroupRoot } from './cgroups.ts'
import { run } from './commands.ts'
import { follow } from './process.ts'
import { createWorld } from './world.ts'

const listener = `require('net').createServer(c => c.resume()).listen(7000, '::', () => console.log('listening'))`
const dial = (to: string, text: string) =>
  `const c = require('net').connect(7000, '${to}', () => c.end('${text}')); c.on('close', () => process.exit(0)).resume()
   c.on('error', e => { console.log(e.code); process.exit(1) })`

/** A zombie, which some machines' first process never collects, has no command line. */
function isRunning(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== ''
  } catch {
    return false
  }
}

/** A refusal proves that the far side's kernel answered. */
const probe = (to: string) =>
  `const c = require('net').connect({ port: 9, host: '${to}', timeout: 800 }).on('error', e => console.log(e.code))
   c.on('timeout', () => c.destroy())`

for (const router of [false, true]) {
  t.test(`hosts talk over both families and a marker on the wire is counted, router: ${router}`, async t => {
    const { hosts, ...world } = await createWorld(t, { hosts: ['h1', 'h2'], router })
    const marker = await world.marker('seen-on-the-wire')
    const server = hosts.h2.spawn(process.execPath, ['-e', listener])
    await server.line('listening')
    t.equal(await marker.count(), 0)
    await hosts.h1.must(process.execPath, ['-e', dial(hosts.h2.address4, 'seen-on-the-wire')])
    t.equal(await marker.count(), 1)
    await hosts.h1.must(process.execPath, ['-e', dial(hosts.h2.address6, 'seen-on-the-wire')])
    t.equal(await marker.count(), 2)
    await hosts.h1.must(process.execPath, ['-e', dial(hosts.h2.address6, 'something else')])
    t.equal(await marker.count(), 2)
  })
}

t.test('partitions and pulled cables cut hosts off until they are healed', async t => {
  const { hosts, ...world } = await createWorld(t, { hosts: ['h1', 'h2', 'h3'], noDefaultRoute: true })
  const reaches = async (from: 'h1' | 'h3', address: string) =>
    (await hosts[from].exec(process.execPath, ['-e', probe(address)])).stdout.trim() === 'ECONNREFUSED'
  t.ok(await reaches('h1', hosts.h2.address4))
  await world.partition(hosts.h1, hosts.h2)
  t.notOk(await reaches('h1', hosts.h2.address4))
  t.notOk(await reaches('h1', hosts.h2.address6))
  t.ok(await reaches('h3', hosts.h2.address6), 'others still reach it')
  await world.heal(hosts.h1, hosts.h2)
  t.ok(await reaches('h1', hosts.h2.address6))
  await hosts.h2.link(false)
  t.notOk(await reaches('h3', hosts.h2.address4))
  await hosts.h2.link(true)
  t.ok(await reaches('h3', hosts.h2.address4))
})

t.test('programs run in the cgroup, as the user and with the resolver they were given', async t => {
  const { hosts } = await createWorld(t, { hosts: ['h1'] })
  const cgroup = 'system.slice/api.service'
  t.match(await hosts.h1.must('cat', ['/proc/self/cgroup'], { cgroup }), `0::/${hosts.h1.cgroupPath(cgroup)}\n`)
  t.equal(await hosts.h1.must('id', ['-u'], { uid: 4321 }), '4321\n')
  t.equal(await hosts.h1.must('printenv', ['GREETING'], { env: { GREETING: 'hello' } }), 'hello\n')
  hosts.h1.resolvConf('nameserver 127.0.0.1\n')
  t.equal(await hosts.h1.must('cat', ['/etc/resolv.conf']), 'nameserver 127.0.0.1\n')
  t.ok((await hosts.h1.must('ls', [cgroupRoot()])).includes('cgroup.procs'), 'the cgroup tree stays visible')
  t.equal((await hosts.h1.exec('sh', ['-c', 'exit 7'])).code, 7)
})

t.test('nothing is left behind, neither namespaces nor cgroups nor processes', async t => {
  const world = await createWorld(t, { hosts: ['h1'] })
  const { h1 } = world.hosts
  const orphan = h1.spawn('sh', ['-c', 'sleep 1000 & echo $!; wait'], { cgroup: 'system.slice/left.service' })
  const pid = await orphan.line(/^\d+$/)
  await world.stop()
  await world.stop()
  t.notMatch((await run('ip', ['netns', 'list'])).stdout, h1.namespace)
  t.notOk(readdirSync(cgroupRoot()).includes(h1.cgroupPath('').split('/')[0] ?? ''))
  t.notOk(isRunning(Number(pid)))
})

t.test('a test process that is told to end takes its world along', async t => {
  const script = `import { createWorld } from '${new URL('world.ts', import.meta.url).pathname}'
    const { hosts } = await createWorld({ teardown() {} }, { hosts: ['h1'] })
    const child = hosts.h1.spawn('sleep', ['1000'])
    console.log(hosts.h1.namespace, child.pid)`
  const test = follow(spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'pipe' }), 'test')
  const [namespace = '', pid] = (await test.line(/^weft-/)).split(' ')
  await test.kill('SIGTERM')
  t.notMatch((await run('ip', ['netns', 'list'])).stdout, namespace)
  t.notOk(readdirSync(cgroupRoot()).includes(namespace.replace(/-h1$/, '')))
  t.notOk(isRunning(Number(pid)))
})
