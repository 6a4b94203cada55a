import type { RegistryProblem } from '../../mesh/model/catalogue.ts'
import type { MergedService } from './merge.ts'

/** Services of which each name and each address belongs to one only. */
export interface Settled {
  readonly services: ReadonlyMap<string, MergedService>
  readonly problems: readonly RegistryProblem[]
}

/**
 * Settles who owns a host name or an address that several services declare: the first by key. Nobody can declare a name
 * under the mesh's own domain that is not theirs (`<name>.<namespace>.<domain>`): that would take traffic away from
 * whoever the name promises. An address may be shared as long as the ports differ.
 */
export function settleClaims(services: ReadonlyMap<string, MergedService>, dnsDomain: string): Settled {
  const owners = new Map<string, string>()
  const problems: RegistryProblem[] = []
  const settled = [...services].map(([key, service]): [string, MergedService] => {
    const own = `${service.name}.${service.namespace}.${dnsDomain}`
    const claim = (what: string, parts: readonly string[]): boolean => {
      const owner = parts.map(part => owners.get(part)).find(other => other !== undefined && other !== key)
      if (owner === undefined) for (const part of parts) owners.set(part, key)
      else problems.push({ item: `service ${key}`, reason: `its ${what} already belongs to service ${owner}` })
      return owner === undefined
    }
    const hosts = service.hosts.filter(host => {
      const reserved = host !== own && (host === dnsDomain || host.endsWith(`.${dnsDomain}`))
      if (reserved) problems.push({ item: `service ${key}`, reason: `its host ${host} is in the mesh's own zone` })
      return !reserved && claim(`host ${host}`, [host])
    })
    const addresses = service.addresses.filter(address => {
      const ports = service.ports.map(port => `${address} port ${port.port}`)
      return claim(`address ${address}`, ports.length === 0 ? [address] : ports)
    })
    const whole = hosts.length === service.hosts.length && addresses.length === service.addresses.length
    return [key, whole ? service : { ...service, hosts, addresses }]
  })
  return { services: new Map(settled), problems }
}
