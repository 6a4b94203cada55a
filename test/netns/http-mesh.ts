import { join } from 'node:path'
import { until } from '../support/eventually.ts'
import type { CommandResult } from './commands.ts'
import type { Host, RunOptions } from './host.ts'
import type { Mesh } from './mesh.ts'
import { agentMetric } from './mesh-probe.ts'
import type { HostProcess } from './process.ts'

/** What tests of HTTP in whole meshes share: `a` calls as the workload `web`, `b` serves. */

/** The workload that calls. */
export const web: RunOptions = { uid: 4001 }

/** A registry file with the caller on `a`, and on `b` the services, each by its ports: `{ api: { http: [80, 8001] } }`. */
export function callerAndServices(
  { a, b }: Readonly<Record<'a' | 'b', Host>>,
  services: Readonly<Record<string, Readonly<Record<string, readonly [port: number, local: number]>>>>,
): Readonly<Record<string, string>> {
  const listed = Object.entries(services).map(([name, ports]) => ({
    name,
    ports: Object.fromEntries(Object.entries(ports).map(([port, [number]]) => [port, number])),
  }))
  const workloads = Object.entries(services).map(([name, ports]) => ({
    name: `${name}-1`,
    node: 'b',
    address: b.address4,
    serviceAccount: name,
    labels: { app: name },
    services: { [name]: Object.fromEntries(Object.entries(ports).map(([port, [, local]]) => [port, local])) },
  }))
  const caller = { name: 'web-1', node: 'a', address: a.address4, serviceAccount: 'web', uid: web.uid }
  return { 'services.yaml': JSON.stringify({ services: listed, workloads: [caller, ...workloads] }) }
}

/** Starts `programs/http-origin.ts`: `8001` by HTTP/1.1, `2:8002` by HTTP/2. */
export async function httpOrigin(host: Host, ports: readonly string[]): Promise<HostProcess> {
  const running = host.spawn(process.execPath, [join(import.meta.dirname, 'programs/http-origin.ts'), ...ports])
  await running.line('listening')
  return running
}

/** Waits until something listens on the port, on any address of the host. */
export async function listens(host: Host, port: number): Promise<void> {
  await until(`${host.name} listens on port ${port}`, async () => {
    return (await host.must('ss', ['-Hltn', `sport = :${port}`])).trim() !== ''
  })
}

/** What `curl` did, with an end to its patience. */
export function curled(host: Host, args: readonly string[], options: RunOptions = web): Promise<CommandResult> {
  return host.exec('curl', ['-sS', '--max-time', '20', ...args], { ...options, timeoutMs: 60_000 })
}

/** Waits until the agent has neither connections nor streams of applications open. */
export async function nothingOpen<Name extends string>(mesh: Mesh<Name>, ...names: Name[]): Promise<void> {
  for (const name of names) {
    await until(`nothing is open on ${name}`, async () => {
      const open = await agentMetric(mesh.hosts[name], 'weft_open_connections')
      const streams = await agentMetric(mesh.hosts[name], 'weft_open_streams')
      return open === 0 && streams === 0
    })
  }
}
