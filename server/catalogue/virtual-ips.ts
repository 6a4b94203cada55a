import { addressAt } from '../../mesh/std/ip-address.ts'
import type { VirtualIpStore } from '../store/store.ts'

/** Where virtual IPs come from: one IPv4 and one IPv6 range, in CIDR form. */
export interface VirtualIpRanges {
  readonly ipv4: string
  readonly ipv6: string
}

/** The addresses of every key that has some, and the failure if the store could not give all of them. */
export interface Assignment {
  readonly addresses: ReadonlyMap<string, readonly string[]>
  readonly failure?: unknown
}

/**
 * Gives services their virtual IPs. An address once given belongs to its key for good: it survives restarts and any
 * order of arrival, and no other key ever gets it, because a client may hold it in a cache for longer than any server
 * can know.
 */
export interface VirtualIps {
  /**
   * Addresses for all keys, new ones for keys that have none yet. When the store fails, keys that were known before
   * keep theirs and the new ones are left out; the next call tries again.
   */
  assign(keys: readonly string[]): Promise<Assignment>
}

/** Virtual IPs out of the given ranges, remembered in the store. */
export function createVirtualIps(store: VirtualIpStore, ranges: VirtualIpRanges): VirtualIps {
  const known = new Map<string, readonly string[]>()
  const limit = capacity(ranges)
  return {
    async assign(keys) {
      const fresh = keys.filter(key => !known.has(key))
      if (fresh.length === 0) return { addresses: known }
      try {
        // sorted, so that services that arrive together get the same addresses on every installation
        const offsets = await store.allocate([...fresh].sort(), 1, limit)
        for (const key of fresh) {
          const offset = offsets.get(key)
          if (offset !== undefined) known.set(key, addressesOf(offset, ranges))
        }
        return { addresses: known }
      } catch (failure) {
        return { addresses: known, failure }
      }
    },
  }
}

/** How many services the ranges have room for: 254 of each 256 addresses of the smaller range. */
export function capacity(ranges: VirtualIpRanges): number {
  const hosts = (range: string, bits: number) => 2 ** Math.min(bits - Number(range.split('/')[1]), 32)
  return Math.floor(Math.min(hosts(ranges.ipv4, 32), hosts(ranges.ipv6, 128)) / 256) * 254
}

/**
 * The pair of addresses of an offset (from 1). Both families count alike, and addresses that end in 0 or 255 are never
 * used: some stacks still take them for networks and broadcasts.
 */
export function addressesOf(offset: number, ranges: VirtualIpRanges): readonly string[] {
  const index = offset - 1
  const host = Math.floor(index / 254) * 256 + (index % 254) + 1
  return Object.freeze([addressAt(ranges.ipv4, host), addressAt(ranges.ipv6, host)])
}
