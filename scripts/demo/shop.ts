import type { HostProcess } from '../../test/netns/process.ts'
import { type DemoMesh, serve } from './stage.ts'

/** The service whose traffic is steered: three versions, one instance each. */

export type Version = 'v1' | 'v2' | 'v3'

const instances = [
  { version: 'v1', host: 'h2', port: 8091 },
  { version: 'v2', host: 'h3', port: 8092 },
  { version: 'v3', host: 'h3', port: 8093 },
] as const

const cgroup = 'system.slice/shop.service'

/** What a file of the static registry says of it, in the short form. */
export function shopFile(hosts: DemoMesh['hosts']): string {
  const workloads = instances.map(({ version, host, port }) => {
    const place = `node: ${host}, address: ${hosts[host].address4}, serviceAccount: shop`
    return `  - { name: shop-${version}, ${place},\n      labels: { app: shop, version: ${version} }, services: { shop: ${port} } }\n`
  })
  return `services:\n  - { name: shop, ports: { http: 80 } }\nworkloads:\n${workloads.join('')}`
}

/** Starts all three; gives their processes. */
export async function startShop(hosts: DemoMesh['hosts']): Promise<Readonly<Record<Version, HostProcess>>> {
  const start = (wanted: Version) => {
    const { version, host, port } = instances.find(one => one.version === wanted) ?? instances[0]
    return serve(hosts[host], cgroup, 'shop.ts', version, hosts[host].address4, String(port))
  }
  const [v1, v2, v3] = await Promise.all([start('v1'), start('v2'), start('v3')])
  return { v1, v2, v3 }
}
