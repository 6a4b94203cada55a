import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fetchConsul } from '../../scripts/demo/consul.ts'
import { eventually, until } from '../support/eventually.ts'
import type { Host } from './host.ts'
import type { HostProcess } from './process.ts'
import type { World } from './world.ts'

export type Server = 's1' | 's2' | 's3'
export const servers: readonly Server[] = ['s1', 's2', 's3']
export const master = 'b1gs33cr-0000-4000-8000-000000000001'

/** Three Consul servers and one client agent, with ACLs, each on a host of its own. */
export interface ConsulCluster {
  url(host: Server | 'client'): string
  /** Asks the HTTP API of a host, path without `/v1`, as the operator. */
  api(host: Server | 'client', method: string, path: string, body?: unknown): Promise<unknown>
  /** Waits until these agree on one of themselves; all three when left out. */
  leader(among?: readonly Server[]): Promise<Server>
  process(server: Server): HostProcess
  start(server: Server): void
  /** Cuts a server off from the other servers, and from nobody else; or joins it again. */
  cutOff(server: Server, off: boolean): Promise<void>
}

type Name = Server | 'client' | 'cp'

/** Starts all and waits until they have a leader and the client has joined. */
export async function startCluster(world: World<Name>): Promise<ConsulCluster> {
  const { hosts, directory } = world
  const binary = fetchConsul()
  const running = new Map<string, HostProcess>()
  const url = (host: Server | 'client') => `http://${hosts[host].address4}:8500`

  function spawn(name: Server | 'client'): void {
    const host = hosts[name]
    const home = join(directory, `consul-${name}`)
    mkdirSync(home, { recursive: true })
    const config = {
      node_name: name,
      datacenter: 'dc1',
      primary_datacenter: 'dc1',
      bind_addr: host.address4,
      client_addr: '0.0.0.0',
      data_dir: join(home, 'data'),
      retry_join: servers.filter(server => server !== name).map(server => hosts[server].address4),
      retry_interval: '1s',
      performance: { raft_multiplier: 1 },
      disable_update_check: true,
      log_level: 'warn',
      acl: { enabled: true, default_policy: 'deny', tokens: { master, agent: master } },
      ...(name !== 'client' && { server: true, bootstrap_expect: 3 }),
    }
    const file = join(home, 'agent.json')
    writeFileSync(file, JSON.stringify(config))
    running.set(name, host.spawn(binary, ['agent', `-config-file=${file}`]))
  }

  async function api(host: Server | 'client', method: string, path: string, body?: unknown): Promise<unknown> {
    const file = join(directory, `body-${process.hrtime.bigint()}.json`)
    writeFileSync(file, body === undefined ? '' : JSON.stringify(body))
    const url = `http://${hosts[host].address4}:8500/v1${path}`
    const options = ['-sS', '--fail-with-body', '-m', '5', '-X', method, '-H', `X-Consul-Token: ${master}`]
    const said = await hosts.cp.must('curl', [...options, '--data-binary', `@${file}`, url])
    return said === '' ? undefined : JSON.parse(said)
  }

  async function leader(among: readonly Server[] = servers): Promise<Server> {
    return eventually(async () => {
      const said = await Promise.all(among.map(server => api(server, 'GET', '/status/leader')))
      const found = among.find(server => `${hosts[server].address4}:8300` === said[0])
      if (found === undefined || said.some(one => one !== said[0])) throw new Error(`leaders: ${said.join()}`)
      return found
    }, 60_000)
  }

  for (const name of servers) spawn(name)
  await leader()
  spawn('client')
  await until(
    'all four are members',
    async () => ((await api('client', 'GET', '/catalog/nodes')) as unknown[]).length === 4,
    60_000,
  )
  return {
    url,
    api,
    leader,
    process(server) {
      const process = running.get(server)
      if (process === undefined) throw new Error(`${server} was never started`)
      return process
    },
    start: spawn,
    async cutOff(server, off) {
      const others = servers.filter(other => other !== server).map(other => hosts[other].address4)
      const rule = off ? '-I' : '-D'
      for (const address of others) {
        await hosts[server].must('iptables', [rule, 'INPUT', '-s', address, '-j', 'DROP'])
        await hosts[server].must('iptables', [rule, 'OUTPUT', '-d', address, '-j', 'DROP'])
      }
    },
  }
}

/** What the program `follow-consul.ts` writes. */
export type FollowerLine =
  | { readonly kind: 'view'; readonly services: number; readonly workloads: number; readonly sick: readonly string[] }
  | { readonly kind: 'health'; readonly health: { readonly kind: string; readonly reason?: string } }
  | { readonly kind: 'log'; readonly message: string; readonly to?: string }

export interface Follower {
  lines(): readonly FollowerLine[]
  views(): readonly Extract<FollowerLine, { kind: 'view' }>[]
  /** Waits until the last view fits. */
  view(fits: (view: Extract<FollowerLine, { kind: 'view' }>) => boolean): Promise<void>
  /** Waits until the registry is reported fresh. */
  fresh(): Promise<void>
}

/** Runs the adapter on a host of the world until the test ends. */
export function followConsul(t: { teardown(run: () => unknown): unknown }, host: Host, options: object): Follower {
  const program = join(import.meta.dirname, 'programs/follow-consul.ts')
  const running = host.spawn(process.execPath, [program, JSON.stringify(options)])
  t.teardown(() => running.kill())
  const lines = () => running.lines().map(line => JSON.parse(line) as FollowerLine)
  const views = () => lines().filter(line => line.kind === 'view')
  return {
    lines,
    views,
    view: fits =>
      until(
        `a view that fits; the last lines are ${running.lines().slice(-3).join('\n')} ${running.output.stderr}`,
        () => views().slice(-1).some(fits),
        40_000,
      ),
    fresh: () =>
      until(
        'the registry is fresh',
        () => lines().findLast(line => line.kind === 'health')?.health.kind === 'fresh',
        40_000,
      ),
  }
}
