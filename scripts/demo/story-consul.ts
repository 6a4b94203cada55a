import type { HostProcess } from '../../test/netns/process.ts'
import { until } from '../../test/support/eventually.ts'
import type { Calls } from './calls.ts'
import type { Commands } from './commands.ts'
import type { DemoConsul } from './consul.ts'
import { doomed, paymentsInConsul } from './payments.ts'
import { type DemoMesh, servicesInConsul } from './stage.ts'
import type { Teller } from './teller.ts'

interface Scene {
  readonly mesh: DemoMesh
  readonly consul: DemoConsul
  readonly commands: Commands
  readonly calls: Calls
  /** The processes of payments, by name. */
  readonly instances: ReadonlyMap<string, HostProcess>
  readonly tell: Teller
}

/** Consul dies, comes back empty, stays silent about an instance that dies, and is well again; traffic flows. */
export async function tellConsulFaults(scene: Scene): Promise<void> {
  await tellDeath(scene)
  await tellEmptiness(scene)
  await tellDeathOfInstance(scene)
  await tellReturn(scene)
}

async function tellDeath({ mesh, consul, commands, calls, tell }: Scene): Promise<void> {
  tell.step('Consul dies: what it said last stays in use')
  await consul.kill()
  tell.note('kill -9 of Consul')
  await until('Consul is seen to be gone', async () => (await consulStatus(mesh)).state === 'stale', 60_000)
  const stale = await commands.weft('registries')
  tell.check(
    'the registry is stale, with the time since when and its services',
    /consul +consul +stale .* old +4 +6 .*stale since/s.test(stale),
  )
  await checkApi(commands, tell, 'no-consul')
  await calls.check(tell)
}

async function tellEmptiness({ mesh, consul, commands, calls, tell }: Scene): Promise<void> {
  tell.step('Consul comes back and knows nothing: the instances still answer, so that is not believed')
  await consul.start(mesh.hosts)
  tell.note('a new Consul, empty')
  const allAnswer = async () => {
    const { state, held } = await consulStatus(mesh)
    return state === 'fresh' && held?.workloads === 6 && held.answering === 6
  }
  await until('the loss is noticed, and every instance was asked', allAnswer, 90_000)
  const held = await commands.weft('registries')
  tell.check('the disappearance is held back, with how many still answer', /6 of them still answer/.test(held))
  tell.check('and what would let it through is named', held.includes('weft registries confirm consul'))
  await checkApi(commands, tell, 'empty-consul')
  await calls.check(tell)
}

async function tellDeathOfInstance({ mesh, instances, commands, calls, tell }: Scene): Promise<void> {
  tell.step('An instance really dies while Consul knows nothing: it leaves, and nothing else')
  await instances.get(doomed.id)?.kill('SIGKILL')
  const since = performance.now()
  tell.note(`kill -9 of ${doomed.id} on h3`)
  const isKnown = async () => (await mesh.weft('services', 'payments')).includes(doomed.id)
  await until(`${doomed.id} has left`, async () => !(await isKnown()), 60_000)
  const seconds = Math.round((performance.now() - since) / 1000)
  tell.note(`gone after ${seconds} s; until then web’s agent gave its requests to the other instance at once`)
  const payments = await commands.weft('services', 'payments')
  const left = ['payments-1', 'payments-2', 'payments-3'].every(name => payments.includes(name))
  tell.check(`${doomed.id} has left by itself, the other instances are there`, left && !payments.includes(doomed.id))
  const held = await commands.weft('registries')
  tell.check('all else that Consul forgot still answers and stays', /5 of them still answer/.test(held))
  await calls.check(tell, () => cutOff(mesh))
}

async function tellReturn({ mesh, consul, commands, calls, tell }: Scene): Promise<void> {
  tell.step('Consul knows them again: the doubt ends')
  const alive = paymentsInConsul.filter(({ id }) => id !== doomed.id)
  // payments first: once half of a registry is back, what is still missing counts as gone until it registers too
  await consul.register(mesh.hosts, [...alive, ...servicesInConsul])
  tell.note(`all but ${doomed.id} register again`)
  const isWell = async () => {
    const { state, held, workloads } = await consulStatus(mesh)
    return state === 'fresh' && held === undefined && workloads === 5
  }
  await until('the registry is well', isWell, 90_000)
  const registries = await commands.weft('registries')
  tell.check('the registry is fresh again, nothing was lost', /consul +consul +fresh .* 4 +5 +- /.test(registries))
  await calls.check(tell)
}

async function consulStatus(mesh: DemoMesh) {
  const found = (await mesh.status()).registries.find(one => one.name === 'consul')
  if (found === undefined) throw new Error('the server has no registry consul')
  return found
}

/** A service that only Consul knows goes on too. */
async function checkApi({ curl }: Commands, tell: Teller, path: string): Promise<void> {
  const { stdout } = await curl('h1', 'web', `http://api.default.mesh/${path}`)
  tell.check('traffic flows', stdout.includes('hello from api'))
}

/** How many requests the instance had when it was killed and did not answer, by the access log of its host. */
function cutOff(mesh: DemoMesh): number {
  const address = `${mesh.hosts.h3.address4}:${doomed.port}`
  const lost = (line: Readonly<Record<string, unknown>>) => line.weft_reason === 'UPSTREAM_RESET'
  return mesh.accessLog('h3').filter(line => line.upstream_host === address && lost(line)).length
}
