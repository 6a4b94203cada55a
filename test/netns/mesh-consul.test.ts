import t from 'tap'
import { fetchConsul } from '../../scripts/demo/consul.ts'
import { eventually, until } from '../support/eventually.ts'
import type { Host } from './host.ts'
import { createMesh } from './mesh.ts'
import { failures, startLoad } from './mesh-load.ts'
import { curl, logged, serve } from './mesh-probe.ts'
import type { HostProcess } from './process.ts'

// A real Consul on the server's host knows the services; a file only knows who calls.
const asWeb = { uid: 4001 }
const accounts = ['default/api', 'default/echo', 'default/extra']
let consul: HostProcess | undefined

async function startConsul(cp: Host): Promise<void> {
  const options = ['-bind', cp.address4, '-client', cp.address4, '-log-level', 'warn']
  consul = cp.spawn(fetchConsul(), ['agent', '-dev', ...options])
  await until('Consul has a leader', async () => (await ask(cp, 'GET', '/status/leader')) !== '""', 30_000)
}

const ask = async (cp: Host, method: string, path: string, body = '') => {
  const args = ['-sSf', '-X', method, '-d', body, `http://${cp.address4}:8500/v1${path}`]
  return (await eventually(() => cp.must('curl', args), 30_000)).trim()
}

type Name = 'a' | 'b' | 'c'
const ports = { api: 8080, echo: 9100, extra: 9101 } as const

async function register(
  hosts: Readonly<Record<Name | 'cp', Host>>,
  node: 'b' | 'c',
  service: keyof typeof ports,
  health = 'passing',
): Promise<void> {
  const meta = {
    'weft-service-account': service,
    'weft-port': '80',
    'weft-protocol': service === 'api' ? 'http' : 'tcp',
  }
  const registration = {
    Node: node,
    Address: hosts[node].address4,
    Service: { ID: service, Service: service, Port: ports[service], Meta: meta },
    Check: { Name: 'alive', CheckID: `${node}-${service}`, Status: health, ServiceID: service },
  }
  await ask(hosts.cp, 'PUT', '/catalog/register', JSON.stringify(registration))
}

async function registerAll(hosts: Readonly<Record<Name | 'cp', Host>>): Promise<void> {
  for (const node of ['b', 'c'] as const) {
    for (const service of ['api', 'echo', 'extra'] as const) await register(hosts, node, service)
  }
}

const mesh = await createMesh<Name>(t, {
  hosts: ['a', 'b', 'c'],
  files: ({ a }) => ({
    'callers.yaml': `workloads: [{ name: web-1, node: a, address: ${a.address4}, serviceAccount: web, uid: ${asWeb.uid} }]`,
  }),
  identities: { a: ['default/web'], b: accounts, c: accounts },
  beforeServer: async hosts => {
    await startConsul(hosts.cp)
    await registerAll(hosts)
  },
  registries: ({ cp }) => [{ name: 'consul', kind: 'consul', address: `http://${cp.address4}:8500` }],
})
const { hosts } = mesh
const { a, b, c } = hosts
for (const host of [b, c]) await serve(host, host.name, host.address4, ['http=8080', 'echo=9100', 'echo=9101'])

/** Which hosts answer calls of `api` just now: a few calls each on a connection of its own. */
async function answering(): Promise<string> {
  const url = 'http://api.default.mesh/'
  const heard = await curl(a, ['-f', '-H', 'Connection: close', ...Array.from({ length: 16 }, () => url)], asWeb)
  return [...new Set(heard.split('\n'))].toSorted().join(' ')
}

const registry = async () => {
  const found = (await mesh.status()).registries.find(one => one.name === 'consul')
  if (found === undefined) throw new Error('the registry is gone')
  return found
}

t.test('a service that is only in Consul is called over mutual TLS, on every host that has it', async t => {
  await until('both hosts answer', async () => (await answering()) === 'b c')
  const line = await logged(mesh, 'b', { weft_direction: 'inbound', authority: 'api.default.mesh', weft_reason: 'OK' })
  t.match(line, {
    weft_source: 'spiffe://mesh.local/ns/default/sa/web',
    weft_destination: 'spiffe://mesh.local/ns/default/sa/api',
  })
  t.match(await registry(), { state: 'fresh', services: 3, workloads: 6 })
})

t.test('an instance in a critical state takes no new connections until it is well again', async () => {
  await register(hosts, 'b', 'api', 'critical')
  await until('only c answers', async () => (await answering()) === 'c')
  await register(hosts, 'b', 'api', 'passing')
  await until('both answer', async () => (await answering()) === 'b c')
})

t.test('Consul may die, and come back knowing nothing: no connection notices', async t => {
  const load = await startLoad(a, { new: 'new@echo.default.mesh/80', kept: 'kept@echo.default.mesh/80' }, asWeb)
  await consul?.kill('SIGKILL')
  await until('the registry is stale', async () => (await registry()).state === 'stale', 30_000)
  t.equal(await answering(), 'b c')
  t.match(await registry(), { services: 3, workloads: 6 })

  await startConsul(hosts.cp)
  await until(
    'Consul’s empty answer is there, and held',
    async () => {
      const { held, state } = await registry()
      return held !== undefined && state === 'fresh'
    },
    40_000,
  )
  t.match(await registry(), { services: 3, workloads: 6 })
  t.equal(await answering(), 'b c')
  const { new: fresh, kept } = await load.report()
  for (const counts of [fresh, kept]) {
    t.ok(counts.succeeded > 20)
    t.equal(failures(counts), 0, JSON.stringify(counts.failed))
  }
  await load.stop()
})

t.test('what is registered again ends the doubt, and a removal that is confirmed is believed', async t => {
  await registerAll(hosts)
  const settled = async () => {
    const { held, state } = await registry()
    return held === undefined && state === 'fresh'
  }
  await until('nothing is held', settled, 20_000)
  t.match(await registry(), { state: 'fresh', services: 3, workloads: 6 })
  for (const Node of ['b', 'c']) await ask(hosts.cp, 'PUT', '/catalog/deregister', JSON.stringify({ Node }))
  await until('the removal is held', async () => (await registry()).held !== undefined, 20_000)
  t.match(await answering(), /c/, 'the first half was not yet a mass disappearance, the second is held')
  await mesh.weft('registries', 'confirm', 'consul')
  await until('it is believed', async () => (await registry()).workloads === 0)
  await until('nobody answers', async () => !/[bc]/.test((await answering()).replace('curl', '')))
})
