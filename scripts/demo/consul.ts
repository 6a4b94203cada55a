import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import type { Host } from '../../test/netns/host.ts'
import { eventually } from '../../test/support/eventually.ts'
import { cgroups } from './services.ts'

type ConsulHosts = Readonly<Record<'cp' | 'h2' | 'h3', Host>>

/** A real Consul on the server's host, with the demo's services registered as any service is. */
export function demoConsul() {
  return {
    registry: (hosts: ConsulHosts) => ({ name: 'consul', kind: 'consul', address: `http://${hosts.cp.address4}:8500` }),
    async start(hosts: ConsulHosts): Promise<void> {
      const { cp } = hosts
      const binary = execFileSync(join(import.meta.dirname, '../get-consul.sh'), { encoding: 'utf8' }).trim()
      cp.spawn(binary, ['agent', '-dev', '-bind', cp.address4, '-client', cp.address4, '-log-level', 'warn'])
      const put = async (path: string, body: object) => {
        const url = `http://${cp.address4}:8500/v1${path}`
        await cp.must('curl', ['-sSf', '-X', 'PUT', '-d', JSON.stringify(body), url])
      }
      await eventually(() => put('/catalog/register', registration(hosts, 'h2', 'api', 8080)), 30_000)
      await put('/catalog/register', registration(hosts, 'h2', 'reports', 8081))
      await put('/catalog/register', registration(hosts, 'h3', 'api', 8080))
      await put('/catalog/register', registration(hosts, 'h3', 'echo', 9000))
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
