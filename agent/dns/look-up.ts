import { Resolver } from 'node:dns/promises'

/** What DNS says of a name. */
export interface Found {
  /** In the order of the answer, IPv4 only where there are any. Never empty. */
  readonly addresses: readonly string[]
  /** How long the answer may be kept: the shortest of its records. */
  readonly ttlMs: number
}

/** Looks a name up. Rejects when nobody answers or the name has no address; the signal ends it at once. */
export type LookUp = (name: string, signal: AbortSignal) => Promise<Found>

const timeoutMs = 5_000
const tries = 2

/**
 * Looks names up at the given name servers (`10.0.0.2:53`), or at those that resolv.conf names at that moment. The
 * hosts file is not looked at, and no search domain is added. IPv6 counts only for names without IPv4, because a host
 * may well have no way to it.
 */
export function createLookUp(servers: readonly string[] = []): LookUp {
  return async (name, signal) => {
    signal.throwIfAborted()
    const resolver = new Resolver({ timeout: timeoutMs, tries })
    if (servers.length > 0) resolver.setServers(servers)
    const cancel = () => resolver.cancel()
    signal.addEventListener('abort', cancel, { once: true })
    try {
      const v4 = await resolver.resolve4(name, { ttl: true }).catch(noData)
      const records = v4.length > 0 ? v4 : await resolver.resolve6(name, { ttl: true })
      const ttls = records.map(({ ttl }) => ttl)
      return { addresses: records.map(({ address }) => address), ttlMs: Math.min(...ttls) * 1000 }
    } finally {
      signal.removeEventListener('abort', cancel)
    }
  }
}

/** The name is there and has no IPv4 address: it may have others. */
function noData(error: unknown): [] {
  if (error instanceof Error && 'code' in error && error.code === 'ENODATA') return []
  throw error
}
