import { randomInt } from 'node:crypto'
import type { Clock } from '../../mesh/std/clock.ts'
import { sleep } from '../../mesh/std/clock.ts'
import { exchangeTcp, exchangeUdp, type Upstream } from './exchange.ts'
import { isTruncated, responseCode, withId } from './message.ts'

/** Hands queries on that are none of the mesh's. Keeps nothing: caching is the business of who is asked. */
export interface Forwarder {
  /**
   * The answer of the first server that has one, under the query's own id; undefined when none answered in time or
   * too many queries are waiting already. Never throws.
   */
  ask(query: Buffer, protocol: 'udp' | 'tcp', signal: AbortSignal): Promise<Buffer | undefined>
}

export interface ForwarderOptions {
  /** Time for all servers together. */
  readonly timeoutMs: number
  /** Queries that may wait for answers at the same time. */
  readonly maxOutstanding: number
}

const servfail = 2
const refused = 5

/** A forwarder to the servers that `upstreams` lists at the time of each query, asked in their order. */
export function createForwarder(
  clock: Clock,
  upstreams: () => readonly Upstream[],
  options: ForwarderOptions,
): Forwarder {
  let outstanding = 0

  async function askAll(query: Buffer, protocol: 'udp' | 'tcp', signal: AbortSignal): Promise<Buffer | undefined> {
    const servers = upstreams()
    let best: Buffer | undefined
    for (const server of servers) {
      if (signal.aborted) break
      const answer = await askOne(server, query, protocol, options.timeoutMs / servers.length, signal)
      if (answer === undefined) continue
      const code = responseCode(answer)
      if (code !== servfail && code !== refused) return answer
      // a server that cannot help may have a neighbour that can; its refusal is told when nobody can
      best ??= answer
    }
    return best
  }

  async function askOne(
    server: Upstream,
    query: Buffer,
    protocol: 'udp' | 'tcp',
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<Buffer | undefined> {
    const ending = new AbortController()
    const limit = AbortSignal.any([signal, ending.signal])
    void sleep(clock, timeoutMs, limit).then(() => ending.abort())
    // an id nobody can guess, a new one for each server
    const asked = withId(query, randomInt(0x1_0000))
    try {
      if (protocol === 'tcp') return await exchangeTcp(server, asked, limit)
      const answer = await exchangeUdp(server, asked, limit)
      if (!isTruncated(answer)) return answer
      // what did not fit over UDP is asked again over TCP; the cut answer will do where TCP is blocked
      return await exchangeTcp(server, asked, limit).catch(() => answer)
    } catch {
      return undefined
    } finally {
      ending.abort()
    }
  }

  return {
    async ask(query, protocol, signal) {
      if (outstanding >= options.maxOutstanding) return undefined
      outstanding += 1
      try {
        const answer = await askAll(query, protocol, signal)
        return answer === undefined ? undefined : withId(answer, query.readUInt16BE(0))
      } finally {
        outstanding -= 1
      }
    },
  }
}
