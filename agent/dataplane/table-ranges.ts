import { isWildcard } from '../../mesh/routing/hosts.ts'
import { createWildcardTable, type WildcardTable } from '../../mesh/routing/wildcard-table.ts'
import { createPrefixTable, type PrefixEntry, type PrefixTable } from '../../mesh/std/prefix-table.ts'
import type { Destination } from './table.ts'

/** Services that are found by less than an exact address: by a range of addresses, or by the server name of TLS. */
export class WideLookups {
  readonly #ranges: PrefixEntry<Destination>[] = []
  readonly #exact = new Map<string, Destination>()
  readonly #wildcards = new Map<number, Map<string, Destination>>()
  #prefixes: PrefixTable<Destination> | undefined
  readonly #byPort = new Map<number, WildcardTable<Destination>>()

  /** Takes one port of a service; throws a TypeError for an address range that is none. */
  add(destination: Destination): void {
    const { service, port } = destination
    const ranges = service.addresses.filter(isRange).map(range => ({ range, key: port.port, value: destination }))
    createPrefixTable(ranges)
    this.#ranges.push(...ranges)
    if (port.protocol !== 'tls') return
    for (const host of service.hosts) {
      if (!isWildcard(host)) {
        const key = `${host}:${port.port}`
        if (!this.#exact.has(key)) this.#exact.set(key, destination)
        continue
      }
      const hosts = this.#wildcards.get(port.port) ?? new Map<string, Destination>()
      if (!hosts.has(host)) hosts.set(host, destination)
      this.#wildcards.set(port.port, hosts)
    }
  }

  /** The service whose range the address lies in, by the most specific range that has the port. */
  inRange(address: string, port: number): Destination | undefined {
    this.#prefixes ??= createPrefixTable(this.#ranges)
    return this.#prefixes.find(address, port)
  }

  /** The service whose port carries TLS and whose host the server name fits; exact hosts and longer wildcards first. */
  byServerName(name: string, port: number): Destination | undefined {
    const exact = this.#exact.get(`${name}:${port}`)
    const hosts = this.#wildcards.get(port)
    if (exact !== undefined || hosts === undefined) return exact
    let table = this.#byPort.get(port)
    if (table === undefined) {
      table = createWildcardTable(hosts)
      this.#byPort.set(port, table)
    }
    return table.find(name)
  }
}

/** Whether a declared address is a range in CIDR form. */
export function isRange(address: string): boolean {
  return address.includes('/')
}
