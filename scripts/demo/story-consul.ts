import { until } from '../../test/support/eventually.ts'
import type { DemoConsul } from './consul.ts'
import { cgroups } from './services.ts'
import type { DemoMesh } from './stage.ts'
import type { Teller } from './teller.ts'

/** What is special with Consul: it dies, comes back empty, and traffic flows through all of it. */
export async function tellConsulStory(mesh: DemoMesh, consul: DemoConsul, tell: Teller): Promise<void> {
  const weft = async (...args: string[]) => {
    const { stdout } = await mesh.tryWeft(...args)
    tell.command('cp', `weft ${args.join(' ')}`, stdout)
    return stdout
  }
  const answered = async (path: string) => {
    const url = `http://api.default.mesh/${path}`
    const { stdout, stderr } = await mesh.hosts.h1.exec('curl', ['-sS', '-m', '5', url], { cgroup: cgroups.web })
    tell.command('h1 as web', `curl -sS -m 5 ${url}`, `${stdout}${stderr}`)
    return stdout.includes('hello from api')
  }
  const registry = async () => (await mesh.status()).registries.find(one => one.name === 'consul')

  tell.step('Consul dies: what it said last stays in use')
  const services = await weft('services')
  tell.check('the services are Consul’s', /api .*consul/.test(services))
  await consul.kill()
  tell.note('kill -9 of Consul')
  await until('Consul is seen to be gone', async () => (await registry())?.state === 'stale', 60_000)
  const stale = await weft('status')
  tell.check(
    'the registry is stale, with the time since when and its services',
    /consul +consul +stale .* 3 +4/.test(stale),
  )
  tell.check('traffic flows', await answered('no-consul'))

  tell.step('Consul comes back and knows nothing: that is not believed at once')
  await consul.start(mesh.hosts)
  tell.note('a new Consul, empty')
  await until('the loss is noticed', async () => (await registry())?.held !== undefined, 90_000)
  const held = await weft('status')
  tell.check(
    'the disappearance is held back, and what would let it through is named',
    held.includes('weft registries confirm consul'),
  )
  tell.check('traffic flows', await answered('empty-consul'))
  await consul.register(mesh.hosts)
  tell.note('the services register again')
  await until(
    'the registry is well',
    async () => {
      const now = await registry()
      return now?.state === 'fresh' && now.held === undefined
    },
    90_000,
  )
  tell.check(
    'the registry is fresh again, nothing was lost',
    /consul +consul +fresh \d+ s +3 +4/.test(await weft('status')),
  )
}
