import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import type { Host } from '../../test/netns/host.ts'
import type { HostProcess } from '../../test/netns/process.ts'
import { eventually } from '../../test/support/eventually.ts'
import { cgroups } from './services.ts'

type ConsulHosts = Readonly<Record<'cp' | 'h2' | 'h3', Host>>

/** A real Consul on the server's host, with the demo's services registered as any service is. */
export interface DemoConsul {
  /** The server's setting for it. */
  registry(hosts: ConsulHosts): object
  /** Starts it, empty as `-dev` is. */
  start(hosts: ConsulHosts): Promise<void>
  register(hosts: ConsulHosts): Promise<void>
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
    async register(hosts) {
      await eventually(() => put(hosts, registration(hosts, 'h2', 'api', 8080)), 30_000)
      await put(hosts, registration(hosts, 'h2', 'reports', 8081))
      await put(hosts, registration(hosts, 'h3', 'api', 8080))
      await put(hosts, registration(hosts, 'h3', 'echo', 9000))
    },
    async kill() {
      await running?.kill('SIGKILL')
    },
  }
}

/** Consul's own form of a service on a node; what is for Weft is in its meta. */
function registration(
  hosts: ConsulHosts,
  node: 'h2' | 'h3',
  service: 'api' | 'reports' | 'echo',
  port: number,
): object {
  const host = hosts[node]
  const http = service !== 'echo'
  return {
    Node: node,
    Address: host.address4,
    Service: {
      ID: service,
      Service: service,
      Port: port,
      Meta: {
        'weft-service-account': service,
        'weft-port': http ? '80' : '9000',
        'weft-protocol': http ? 'http' : 'tcp',
        'weft-cgroup': host.cgroupPath(cgroups[service]),
      },
    },
    Check: { Name: 'alive', Status: 'passing', ServiceID: service },
  }
}
