import { join } from 'node:path'
import type { Test } from 'tap'
import type { RegistryStatus } from '../../server/status.ts'
import type { ConsulRegistration } from '../support/consul.ts'
import { until } from '../support/eventually.ts'
import type { Host } from './host.ts'
import { createMesh, type Mesh } from './mesh.ts'
import { failures, startLoad } from './mesh-load.ts'
import { serve } from './mesh-probe.ts'
import type { HostProcess } from './process.ts'
import type { FaultyConsulCommand } from './programs/faulty-consul.ts'

const asWeb = { uid: 4001 }
export const services = ['api', 'echo', 'extra'] as const
const ports = { api: 9100, echo: 9101, extra: 9102 } as const
type Name = 'a' | 'b' | 'c' | 'd'
export const backends = ['b', 'c', 'd'] as const

/** A mesh whose services are known to a Consul that does what it is told, and calls of one of them that go on. */
export interface FaultyMesh {
  readonly mesh: Mesh<Name>
  readonly hosts: Mesh<Name>['hosts']
  /** The programs behind the services, by host. */
  readonly serving: ReadonlyMap<Name, HostProcess>
  /** Gives the number of wrong answers since the last fault began. */
  tell(command: FaultyConsulCommand): Promise<number>
  /** Waits until the fault has been met by whoever asks. */
  met(): Promise<void>
  registrationOf(host: Host, service: (typeof services)[number]): ConsulRegistration
  registerAll(meta?: Readonly<Record<string, string>>): Promise<void>
  /** Waits until the registry is as it should be. */
  expectRegistry(what: string, fits: (status: RegistryStatus) => boolean): Promise<void>
  registry(): Promise<RegistryStatus>
  /** Ends every fault and waits until all nine instances are known again. */
  well(): Promise<void>
  /** Nothing that was tried since the last time has failed; waits until enough was tried to tell. */
  expectNoLoss(t: Test): Promise<void>
  /** Forgets what was tried so far. */
  forgetLoad(): Promise<void>
}

/** Starts it: a caller on `a`, three services on each of `b`, `c` and `d`, one call every 40 ms, never tried twice. */
export async function createFaultyMesh(t: { teardown(stop: () => unknown): unknown }): Promise<FaultyMesh> {
  let consul: HostProcess | undefined
  let address = ''
  const tell = async (command: FaultyConsulCommand): Promise<number> => {
    if (consul === undefined) throw new Error('there is no registry')
    const registry = consul
    const text = JSON.stringify(command)
    const before = registry.lines('done').length
    registry.write(`${text}\n`)
    await until(`the registry obeys ${text.slice(0, 60)}`, () => registry.lines('done').length > before)
    return Number(/ (\d+)$/.exec(registry.lines('done').at(-1) ?? '')?.[1])
  }
  const registrationOf = (host: Host, service: (typeof services)[number]): ConsulRegistration => {
    const meta = { 'weft-service-account': service, 'weft-port': '80', 'weft-protocol': 'tcp' }
    return {
      Node: host.name,
      Address: host.address4,
      Service: { ID: service, Service: service, Port: ports[service], Meta: meta },
      Check: { Name: 'alive', CheckID: `${host.name}-${service}`, Status: 'passing', ServiceID: service },
    }
  }
  const registerOn = async (all: Readonly<Record<Name, Host>>, NodeMeta: Readonly<Record<string, string>> = {}) => {
    for (const name of backends) {
      for (const service of services) {
        await tell({ do: 'register', registration: { ...registrationOf(all[name], service), NodeMeta } })
      }
    }
  }
  const accounts = services.map(service => `default/${service}`)
  const mesh = await createMesh<Name>(t, {
    hosts: ['a', 'b', 'c', 'd'],
    files: ({ a }) => ({
      'callers.yaml': `workloads: [{ name: web-1, node: a, address: ${a.address4}, serviceAccount: web, uid: ${asWeb.uid} }]`,
    }),
    identities: { a: ['default/web'], b: accounts, c: accounts, d: accounts },
    beforeServer: async ({ cp, ...hosts }) => {
      consul = cp.spawn(process.execPath, [join(import.meta.dirname, 'programs/faulty-consul.ts'), cp.address4])
      address = (await consul.line('listening')).replace('listening ', '')
      await registerOn(hosts)
    },
    registries: () => [{ name: 'consul', kind: 'consul', address }],
  })
  const { hosts } = mesh
  const serving = new Map<Name, HostProcess>()
  for (const name of backends) {
    serving.set(name, await serve(hosts[name], name, hosts[name].address4, ['echo=9100', 'echo=9101', 'echo=9102']))
  }
  const registry = async (): Promise<RegistryStatus> => {
    const found = (await mesh.status()).registries.find(one => one.name === 'consul')
    if (found === undefined) throw new Error('the registry is gone')
    return found
  }
  let last: RegistryStatus | undefined
  const expectRegistry: FaultyMesh['expectRegistry'] = async (what, fits) => {
    const look = async () => {
      last = await registry()
      return fits(last)
    }
    await until(what, look, 30_000).catch(error => {
      throw new Error(`${what}: not so, the registry is ${JSON.stringify(last)}`, { cause: error })
    })
  }
  const load = await startLoad(hosts.a, { new: 'new@echo.default.mesh/80', kept: 'kept@echo.default.mesh/80' }, asWeb)
  t.teardown(() => load.stop())
  return {
    mesh,
    hosts,
    serving,
    tell,
    met: () => until('the fault has been met', async () => (await tell({ do: 'count' })) > 2, 30_000),
    registrationOf,
    registerAll: meta => registerOn(hosts, meta),
    registry,
    expectRegistry,
    async well() {
      await tell({ do: 'well' })
      await expectRegistry('the registry is well', ({ state, held, workloads }) => {
        return state === 'fresh' && held === undefined && workloads === 9
      })
    },
    async expectNoLoss(t) {
      const succeeded = { new: 0, kept: 0 }
      await until('enough was tried', async () => {
        const report = await load.report()
        for (const name of ['new', 'kept'] as const) {
          const { failed, ...counts } = report[name]
          succeeded[name] += counts.succeeded
          if (failures(report[name]) > 0) t.fail(`calls of the class ${name} failed: ${JSON.stringify(failed)}`)
        }
        return Math.min(succeeded.new, succeeded.kept) > 25
      })
      t.pass(`${succeeded.new} and ${succeeded.kept} calls, none failed`)
    },
    async forgetLoad() {
      await load.report()
    },
  }
}
