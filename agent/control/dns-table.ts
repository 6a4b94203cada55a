import { isIP } from 'node:net'
import type { AgentConfig } from '../../mesh/model/agent-config.ts'
import type { NameAddresses, NameTable } from '../dns/names.ts'

/**
 * The names a config makes known, each with its service's virtual addresses; the declared addresses of a service that
 * has no virtual ones. A wildcard stands for hosts of somebody else's: it has declared addresses only.
 * A name that two services claim belongs to the first by namespace and name. Pure.
 */
export function dnsTableOf(config: AgentConfig): NameTable {
  const names = new Map<string, NameAddresses>()
  for (const service of config.services) {
    const declared = byFamily(service.addresses)
    const own = service.virtualIps.length > 0 ? byFamily(service.virtualIps) : declared
    for (const host of service.hosts) {
      const known = host.startsWith('*.') ? declared : own
      if (known.v4.length + known.v6.length > 0 && !names.has(host)) names.set(host, known)
    }
  }
  return { names }
}

function byFamily(addresses: readonly string[]): NameAddresses {
  return {
    v4: addresses.filter(address => isIP(address) === 4),
    v6: addresses.filter(address => isIP(address) === 6),
  }
}
