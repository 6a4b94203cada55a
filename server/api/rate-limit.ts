import { isIPv6 } from 'node:net'
import type { Clock } from '../../mesh/std/clock.ts'

export interface RateLimitOptions {
  /** Attempts a second that a source may make for good; as many at once after a pause. */
  readonly perSecond: number
  /** Sources remembered at once; beyond it those that have been quiet longest are forgotten. */
  readonly maxSources: number
}

/** Decides whether an attempt of a source address is taken. */
export interface RateLimit {
  /** Counts the attempt; false when the source has made too many. */
  take(address: string): boolean
  /** How many sources are remembered. */
  readonly sources: number
}

interface Bucket {
  tokens: number
  /** Monotonic milliseconds. */
  at: number
}

/**
 * A token bucket for each source address; of IPv6 for each /64, which one host can fill by itself. Refused attempts
 * cost nothing, so a source that goes on trying still gets its share.
 */
export function createRateLimit(clock: Pick<Clock, 'monotonic'>, options: RateLimitOptions): RateLimit {
  const { perSecond, maxSources } = options
  // in the order of last use, which is the order of a Map when entries are put back at its end
  const buckets = new Map<string, Bucket>()
  return {
    get sources() {
      return buckets.size
    },
    take(address) {
      const source = sourceOf(address)
      const now = clock.monotonic()
      const { tokens, at } = buckets.get(source) ?? { tokens: perSecond, at: now }
      const left = Math.min(perSecond, tokens + ((now - at) * perSecond) / 1000)
      const taken = left >= 1
      buckets.delete(source)
      buckets.set(source, { tokens: taken ? left - 1 : left, at: now })
      const [quietest] = buckets.keys()
      if (buckets.size > maxSources && quietest !== undefined) buckets.delete(quietest)
      return taken
    },
  }
}

/** What counts as one source: an IPv4 address, however it is written, or the /64 of an IPv6 address. */
function sourceOf(address: string): string {
  if (!isIPv6(address)) return address
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  const [head = ''] = address.split('::')
  const groups = head === '' ? [] : head.split(':')
  return [...groups, '0', '0', '0', '0'].slice(0, 4).join(':')
}
