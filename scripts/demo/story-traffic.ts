import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { agentMetric } from '../../test/netns/mesh-probe.ts'
import type { HostProcess } from '../../test/netns/process.ts'
import { until } from '../../test/support/eventually.ts'
import { type Commands, commandsOf } from './commands.ts'
import { shopFile, startShop, type Version } from './shop.ts'
import { canary, faults, mirror, outliers, retries, subsets, tester } from './shop-rules.ts'
import type { DemoMesh } from './stage.ts'
import type { Teller } from './teller.ts'

interface Scene {
  readonly mesh: DemoMesh
  readonly commands: Commands
  readonly shop: Readonly<Record<Version, HostProcess>>
  readonly tell: Teller
}

/** What comes after the name of the service: so many requests of one curl, each line of answers counted. */
const counted = (calls: number, options = '') =>
  `curl -sS -m 60 ${options}'http://shop.default.mesh/[1-${calls}]' | sort | uniq -c`

/** Where each HTTP request of a service goes, by what an operator writes. */
export async function tellTrafficStory(mesh: DemoMesh, tell: Teller): Promise<void> {
  tell.step('A service in three versions: a tenth of its requests go to v2, then half')
  const before = await versions(mesh)
  const shop = await startShop(mesh.hosts)
  const file = shopFile(mesh.hosts)
  mesh.writeFile('shop.yaml', file)
  tell.command('cp', 'cat shop.yaml', file)
  await taken(mesh, before)
  const scene = { mesh, commands: commandsOf(mesh, tell), shop, tell }
  await tellCanary(scene)
  await tellTester(scene)
  await tellRetries(scene)
  await tellOutlier(scene)
  await tellFaults(scene)
  await tellMirror(scene)
  await remove(scene)
}

async function tellCanary(scene: Scene): Promise<void> {
  const { commands, tell } = scene
  await apply(scene, 'canary.yaml', `${subsets}---\n${canary(10)}`)
  tell.note('400 requests on one connection of one curl: every request is decided for itself')
  await checkShare(scene, 10)
  await apply(scene, 'canary.yaml', canary(50))
  await checkShare(scene, 50)
  const explained = await commands.weft('explain', '--from', 'web', '--to', 'shop.default:80', '--path', '/1')
  tell.check(
    'weft explain names the rule and both shares',
    explained.includes('VirtualService default/shop http[0]') && explained.match(/50 % to shop/g)?.length === 2,
  )
}

/** Four standard deviations of chance: off that far once in 16000 runs. */
async function checkShare({ commands, tell }: Scene, percent: number): Promise<void> {
  const calls = 400
  const { stdout } = await commands.shell('h1', 'web', counted(calls))
  const expected = (calls * percent) / 100
  const off = Math.ceil(4 * Math.sqrt(expected * (1 - percent / 100)))
  const v2 = countOf(stdout, 'v2')
  const isFair = Math.abs(v2 - expected) <= off && countOf(stdout, 'v1') + v2 === calls
  tell.check(`v2 has answered ${v2} of ${calls}: ${expected} give or take ${off}, and nobody else but v1`, isFair)
}

async function tellTester(scene: Scene): Promise<void> {
  const { mesh, commands, tell } = scene
  tell.step('Whoever says x-tester: yes gets v2, all others v1')
  await apply(scene, 'tester.yaml', tester)
  const testers = await commands.shell('h1', 'web', counted(50, '-H "x-tester: yes" '))
  tell.check('testers always get v2', countOf(testers.stdout, 'v2') === 50)
  const others = await commands.shell('h1', 'web', counted(50))
  tell.check('others never do', countOf(others.stdout, 'v1') === 50)
  const line = await requestLine(mesh, 'v2')
  tell.note('of the line in the access log the fields that matter here')
  tell.command('h1', 'tail -n 1 access.log', shortened(line))
  tell.check('the access log names the rule', line.weft_rule === 'VirtualService default/shop http[0]')
}

async function tellRetries(scene: Scene): Promise<void> {
  const { commands, shop, tell } = scene
  tell.step('v3 falls ill: it answers 503, or resets; retries hide that')
  shop.v3.write('ill\n')
  await shop.v3.line('is ill')
  await apply(scene, 'retries.yaml', retries(0))
  const statuses = (calls: number) => commands.shell('h1', 'web', counted(calls, '-o /dev/null -w "%{http_code}\\n" '))
  const bare = countOf((await statuses(60)).stdout, '503')
  tell.check(`without retries ${bare} of 60 requests fail`, bare > 0)
  await apply(scene, 'retries.yaml', retries(3))
  const before = asked(shop.v3)
  const good = countOf((await statuses(200)).stdout, '200')
  const hidden = asked(shop.v3) - before
  tell.check(`with retries 0 of 200 fail: ${hidden} times v3 was asked in vain`, good === 200 && hidden > 0)
}

async function tellOutlier(scene: Scene): Promise<void> {
  const { mesh, commands, shop, tell } = scene
  tell.step('Whoever fails three times in a row is left alone: outlier detection')
  await apply(scene, 'outliers.yaml', outliers)
  const ejections = () => agentMetric(mesh.hosts.h1, 'weft_agent_http_ejections_active')
  await until('v3 is ejected', async () => {
    await mesh.hosts.h1.must('bash', ['-c', counted(20)], { cgroup: 'system.slice/web.service' })
    return (await ejections()) === 1
  })
  tell.note('after some more requests v3 is out')
  const before = asked(shop.v3)
  const { stdout } = await commands.shell('h1', 'web', counted(200))
  const isSpared = asked(shop.v3) === before && countOf(stdout, 'v1') + countOf(stdout, 'v2') === 200
  tell.check('none of 200 requests went to v3, the others have them all', isSpared)
  const metrics = await commands.shell(
    'h1',
    'root',
    'curl -sS http://127.0.0.1:15020/metrics | grep ^weft_agent_http_ej',
  )
  tell.check('a metric says so', /^weft_agent_http_ejections_active 1$/m.test(metrics.stdout))
  shop.v3.write('well\n')
}

async function tellFaults(scene: Scene): Promise<void> {
  const { commands, tell } = scene
  tell.step('Trouble on purpose, for those who ask for it: half of them wait, or are turned away')
  await apply(scene, 'faults.yaml', faults)
  const times = `awk '{ if ($1 >= 0.2) slow++ } END { print slow + 0 " slow" }'`
  const timed = await commands.shell('h1', 'web', chaos(40, '-H "x-chaos: slow" -w "%{time_total}\\n"', times))
  const slow = countOf(timed.stdout, 'slow')
  tell.check(`${slow} of 40 have waited 200 ms: 20 give or take 13`, Math.abs(slow - 20) <= 13)
  const codes = await commands.shell('h1', 'web', chaos(200, '-H "x-chaos: broken" -w "%{http_code}\\n"'))
  const aborted = countOf(codes.stdout, '418')
  tell.check(
    `${aborted} of 200 were answered 418: 100 give or take 29`,
    Math.abs(aborted - 100) <= 29 && countOf(codes.stdout, '200') === 200 - aborted,
  )
  const others = await commands.shell('h1', 'web', chaos(50, '-w "%{http_code}\\n"'))
  tell.check('nobody else notices', countOf(others.stdout, '200') === 50)
}

const chaos = (calls: number, options: string, then = 'sort | uniq -c') =>
  `curl -sS -m 60 -o /dev/null ${options} 'http://shop.default.mesh/[1-${calls}]' | ${then}`

async function tellMirror(scene: Scene): Promise<void> {
  const { commands, shop, tell } = scene
  tell.step('v2 gets a copy of every request, v1 answers')
  await apply(scene, 'mirror.yaml', mirror)
  const before = asked(shop.v2)
  const { stdout } = await commands.shell('h1', 'web', counted(100))
  tell.check('the caller hears v1 only', countOf(stdout, 'v1') === 100)
  await until('v2 has all copies', () => asked(shop.v2) - before >= 100)
  const copies = shop.v2.lines(/^GET /).slice(before)
  tell.check(`v2 was asked ${copies.length} times`, copies.length === 100)
  tell.check(
    'each time for what the caller had asked',
    copies.every(line => /^GET shop\.default\.mesh\/\d+$/.test(line)),
  )
  tell.note('and Istio’s metrics tell who has asked whom how often: all that h1 has asked v2')
  const metric = 'curl -sS http://127.0.0.1:15020/metrics | grep ^istio_requests_total | grep shop-v2'
  const { stdout: metrics } = await commands.shell('h1', 'root', metric)
  tell.check(
    'with both identities',
    /source_principal="[^"]*sa\/web".*destination_principal="[^"]*sa\/shop"/.test(metrics),
  )
}

/** Shows what is written, applies it and waits until every agent has it. */
async function apply({ mesh, tell }: Scene, name: string, yaml: string): Promise<void> {
  const path = join(mesh.directory, name)
  writeFileSync(path, yaml)
  tell.command('cp', `cat ${name}`, yaml)
  const before = await versions(mesh)
  const { code, stdout, stderr } = await mesh.tryWeft('apply', '-f', path)
  tell.command('cp', `weft apply -f ${name}`, code === 0 ? stdout : stderr)
  if (code !== 0) throw new Error(`weft apply of ${name} has failed`)
  await taken(mesh, before)
}

/** Every agent's configuration by name: its version, once the agent has it. */
async function versions(mesh: DemoMesh): Promise<ReadonlyMap<string, number>> {
  const { agents } = await mesh.status()
  return new Map(agents.map(one => [one.node, one.answeredVersion < one.configVersion ? 0 : one.configVersion]))
}

/** Waits until every agent has a newer configuration. */
async function taken(mesh: DemoMesh, before: ReadonlyMap<string, number>): Promise<void> {
  await until('all agents have the new rules', async () => {
    const now = await versions(mesh)
    return [...now].every(([node, version]) => version > (before.get(node) ?? 0))
  })
}

async function remove({ mesh, commands, tell }: Scene): Promise<void> {
  const before = await versions(mesh)
  const { code, stdout } = await mesh.tryWeft('delete', '-f', join(mesh.directory, 'faults.yaml'))
  tell.note('faults.yaml names both resources; without them all three versions share the requests again')
  tell.command('cp', 'weft delete -f faults.yaml', stdout)
  if (code !== 0) throw new Error('weft delete has failed')
  await taken(mesh, before)
  const { stdout: answers } = await commands.shell('h1', 'web', counted(60))
  tell.check(
    'everything is as it was',
    ['v1', 'v2', 'v3'].every(version => countOf(answers, version) > 0),
  )
}

/** Of lines as `uniq -c` prints them: the number before this word. */
function countOf(output: string, word: string): number {
  return Number(new RegExp(`^ *(\\d+) ${word}$`, 'm').exec(output)?.[1] ?? 0)
}

/** How many requests an instance has had. */
function asked(instance: HostProcess): number {
  return instance.lines(/^GET /).length
}

/** The newest line of a request from h1 to this subset of shop; lines are written at most a second late. */
async function requestLine(mesh: DemoMesh, subset: Version): Promise<Readonly<Record<string, unknown>>> {
  const cluster = `outbound|80|${subset}|shop.default.mesh`
  let found: Readonly<Record<string, unknown>> | undefined
  await until('the request is in the access log', () => {
    found = mesh.accessLog('h1').findLast(line => line.upstream_cluster === cluster && line.path === '/50')
    return found !== undefined
  })
  return found ?? {}
}

/** The fields of a request's line that matter here, one a line. */
function shortened(line: Readonly<Record<string, unknown>>): string {
  const names = ['method', 'path', 'response_code', 'upstream_cluster', 'weft_source', 'weft_destination', 'weft_rule']
  return names.map(name => `${name.padEnd(16)} ${line[name]}`).join('\n')
}
