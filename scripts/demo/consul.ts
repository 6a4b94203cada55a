import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import type { Host } from '../../test/netns/host.ts'
import type { HostProcess } from '../../test/netns/process.ts'
import { eventually } from '../../test/support/eventually.ts'

type ConsulHosts = Readonly<Record<'cp' | 'h2' | 'h3', Host>>

/** An instance of a service, as it is registered in Consul. */
export interface ConsulInstance {
  readonly node: 'h2' | 'h3'
  /** Its name on that node. */
  readonly id: string
  readonly service: string
  readonly port: number
  /** The port that callers use, and what is spoken there. */
  readonly callers: { readonly port: number; readonly protocol: 'http' | 'tcp' }
  /** Where its processes run; only for those that call others. */
  readonly cgroup?: string
}

/** A real Consul on the server's host, where services are registered as any service is. */
export interface DemoConsul {
  /** The server's setting for it. */
  registry(hosts: ConsulHosts): object
  /** Starts it, empty as `-dev` is. */
  start(hosts: ConsulHosts): Promise<void>
  /** Registers them one after the other. */
  register(hosts: ConsulHosts, instances: readonly ConsulInstance[]): Promise<void>
  /** Ends it without a goodbye. */
  kill(): Promise<void>
}

/** Where Consul's binary is; fetched where it is not there yet, which needs a network and a Debian mirror. */
export function fetchConsul(): string {
  const script = join(import.meta.dirname, '../get-consul.sh')
  return execFileSync(script, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }).trim()
}

export function demoConsul(): DemoConsul {
  let running: HostProcess | undefined
  const url = ({ cp }: ConsulHosts, path: string) => `http://${cp.address4}:8500/v1${path}`
  const put = (hosts: ConsulHosts, body: object) =>
    hosts.cp.must('curl', ['-sSf', '-X', 'PUT', '-d', JSON.stringify(body), url(hosts, '/catalog/register')])
  return {
    registry: ({ cp }) => ({
      name: 'consul',
      kind: 'consul',
      address: `http://${cp.address4}:8500`,
      trustCallers: true,
    }),
    async start(hosts) {
      const { cp } = hosts
      const options = ['-bind', cp.address4, '-client', cp.address4, '-log-level', 'warn']
      running = cp.spawn(fetchConsul(), ['agent', '-dev', ...options])
      await eventually(async () => {
        const leader = await cp.must('curl', ['-sSf', url(hosts, '/status/leader')])
        if (leader.trim() === '""') throw new Error('Consul has no leader yet')
      }, 30_000)
    },
    async register(hosts, instances) {
      for (const instance of instances) await eventually(() => put(hosts, registration(hosts, instance)), 30_000)
    },
    async kill() {
      await running?.kill('SIGKILL')
    },
  }
}

/** Consul's own form of a service on a node; what is for Weft is in its meta. */
function registration(hosts: ConsulHosts, { node, id, service, port, callers, cgroup }: ConsulInstance): object {
  const host = hosts[node]
  return {
    Node: node,
    Address: host.address4,
    Service: {
      ID: id,
      Service: service,
      Port: port,
      Meta: {
        'weft-service-account': service,
        'weft-port': String(callers.port),
        'weft-protocol': callers.protocol,
        ...(cgroup !== undefined && { 'weft-cgroup': host.cgroupPath(cgroup) }),
      },
    },
    Check: { Name: 'alive', CheckID: `${node}-${id}`, Status: 'passing', ServiceID: id },
  }
}
