import { BlockList, isIP } from 'node:net'

/** A set of address ranges. */
export interface Ranges {
  /** Whether an IPv4 or IPv6 address lies in one of the ranges; false for anything that is no address. */
  has(address: string): boolean
}

/** Takes ranges in CIDR form (`240.240.0.0/16`, `fd00::/64`); a text that is none throws a TypeError. */
export function createRanges(ranges: readonly string[]): Ranges {
  const list = new BlockList()
  for (const range of ranges) {
    const [network = '', bits = ''] = range.split('/')
    const family = isIP(network)
    if (family === 0 || !/^\d{1,3}$/.test(bits)) throw new TypeError(`${range} is no address range`)
    list.addSubnet(network, Number(bits), family === 6 ? 'ipv6' : 'ipv4')
  }
  return {
    has(address) {
      const family = isIP(address)
      return family !== 0 && list.check(address, family === 6 ? 'ipv6' : 'ipv4')
    },
  }
}
