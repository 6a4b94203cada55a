import { join } from 'node:path'
import type { Host } from '../../test/netns/host.ts'
import { createMesh, type Mesh } from '../../test/netns/mesh.ts'
import type { HostProcess } from '../../test/netns/process.ts'
import { type ConsulInstance, type DemoConsul, demoConsul } from './consul.ts'
import { writeOn } from './on.ts'
import { cgroups } from './services.ts'

export type DemoHost = 'h1' | 'h2' | 'h3' | 'out'
export type DemoMesh = Mesh<DemoHost>

const programs = join(import.meta.dirname, 'programs')
const http = { port: 80, protocol: 'http' } as const

/** The demo's services as Consul knows them, where it does. */
export const servicesInConsul: readonly ConsulInstance[] = [
  { node: 'h2', id: 'api', service: 'api', port: 8080, callers: http, cgroup: cgroups.api },
  { node: 'h2', id: 'reports', service: 'reports', port: 8081, callers: http, cgroup: cgroups.reports },
  { node: 'h3', id: 'api', service: 'api', port: 8080, callers: http, cgroup: cgroups.api },
  {
    node: 'h3',
    id: 'echo',
    service: 'echo',
    port: 9000,
    callers: { port: 9000, protocol: 'tcp' },
    cgroup: cgroups.echo,
  },
]

/** Starts the mesh and its services; `on` is a script by which a person runs commands as one of the workloads. */
export async function setStage(
  t: { teardown(run: () => unknown): unknown },
  withConsul: boolean,
): Promise<{ readonly mesh: DemoMesh; readonly on: string; readonly consul: DemoConsul | undefined }> {
  const consul = withConsul ? demoConsul() : undefined
  const mesh = await createMesh<DemoHost>(t, {
    hosts: ['h1', 'h2', 'h3', 'out'],
    withoutAgent: ['out'],
    server: { name: 'cp' },
    files: hosts => ({ 'mesh.yaml': consul === undefined ? servicesFile(hosts) : callersFile(hosts) }),
    ...(consul !== undefined && {
      registries: hosts => [consul.registry(hosts)],
      beforeServer: async hosts => {
        await consul.start(hosts)
        await consul.register(hosts, servicesInConsul)
      },
      identities: {
        h1: ['default/web'],
        h2: ['default/api', 'default/reports', 'default/payments', 'default/shop'],
        h3: ['default/api', 'default/echo', 'default/payments', 'default/shop'],
      },
    }),
  })
  const { h2, h3 } = mesh.hosts
  await serve(h2, cgroups.api, 'http.ts', 'api on h2', h2.address4, '8080')
  await serve(h2, cgroups.reports, 'http.ts', 'reports on h2', h2.address4, '8081')
  await serve(h3, cgroups.api, 'http.ts', 'api on h3', h3.address4, '8080')
  await serve(h3, cgroups.echo, 'echo.ts', h3.address4, '9000')
  return { mesh, on: writeOn(mesh), consul }
}

/** Starts one of the demo's programs on a host and waits until it listens. */
export async function serve(host: Host, cgroup: string, program: string, ...args: string[]): Promise<HostProcess> {
  const running = host.spawn(process.execPath, [join(programs, program), ...args], { cgroup })
  await running.line('listening')
  return running
}

/** The mesh as a static registry's file, in the short form. */
function servicesFile(hosts: DemoMesh['hosts'] | Omit<DemoMesh['hosts'], 'cp'>): string {
  const { h1, h2, h3 } = hosts
  return `services:
  - { name: api, ports: { http: 80 } }
  - { name: reports, ports: { http: 80 } }
  - { name: echo, ports: { tcp: 9000 } }
workloads:
  - { name: web-1, node: h1, address: ${h1.address4}, serviceAccount: web, cgroup: ${h1.cgroupPath(cgroups.web)} }
  - { name: api-1, node: h2, address: ${h2.address4}, serviceAccount: api, cgroup: ${h2.cgroupPath(cgroups.api)}, services: { api: { http: 8080 } } }
  - { name: reports-1, node: h2, address: ${h2.address4}, serviceAccount: reports, cgroup: ${h2.cgroupPath(cgroups.reports)}, services: { reports: { http: 8081 } } }
  - { name: api-2, node: h3, address: ${h3.address4}, serviceAccount: api, cgroup: ${h3.cgroupPath(cgroups.api)}, services: { api: { http: 8080 } } }
  - { name: echo-1, node: h3, address: ${h3.address4}, serviceAccount: echo, cgroup: ${h3.cgroupPath(cgroups.echo)}, services: { echo: { tcp: 9000 } } }
`
}

/** With Consul the services are registered there; only the caller, which serves nothing, is in a file. */
function callersFile(hosts: Omit<DemoMesh['hosts'], 'cp'>): string {
  const { h1 } = hosts
  return `workloads:
  - { name: web-1, node: h1, address: ${h1.address4}, serviceAccount: web, cgroup: ${h1.cgroupPath(cgroups.web)} }
`
}
