import type { HostProcess } from '../../test/netns/process.ts'
import type { ConsulInstance } from './consul.ts'
import { cgroups } from './services.ts'
import { type DemoMesh, serve } from './stage.ts'

/** The service that two registries know: two instances on h2 by a file, two on h3 by Consul. */

/** The instance that dies, on h3. */
export const doomed = { id: 'payments-4', port: 8083 } as const

const inFile = [
  { id: 'payments-1', port: 8082 },
  { id: 'payments-2', port: 8083 },
] as const

/** Those of Consul. */
export const paymentsInConsul: readonly ConsulInstance[] = [{ id: 'payments-3', port: 8082 }, doomed].map(
  ({ id, port }) => {
    return { node: 'h3', id, service: 'payments', port, callers: { port: 80, protocol: 'http' } }
  },
)

/** What the file says of those on h2, in the static registry's short form. */
export function paymentsFile({ h2 }: Pick<DemoMesh['hosts'], 'h2'>): string {
  const workloads = inFile.map(({ id, port }) => {
    const place = `node: h2, address: ${h2.address4}, serviceAccount: payments`
    return `  - { name: ${id}, ${place},\n      services: { payments: ${port} } }\n`
  })
  return `services:\n  - { name: payments, ports: { http: 80 } }\nworkloads:\n${workloads.join('')}`
}

/** Starts all four; each answers with its service and host. Gives their processes by name. */
export async function startPayments({ h2, h3 }: DemoMesh['hosts']): Promise<ReadonlyMap<string, HostProcess>> {
  const all = [...inFile.map(one => ({ ...one, host: h2 })), ...paymentsInConsul.map(one => ({ ...one, host: h3 }))]
  const started = all.map(async ({ id, port, host }) => {
    const name = `payments on ${host.name}`
    const running = await serve(host, cgroups.payments, 'http.ts', name, host.address4, String(port))
    return [id, running] as const
  })
  return new Map(await Promise.all(started))
}
