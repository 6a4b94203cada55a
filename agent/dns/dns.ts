import type { Clock, Random } from '../../mesh/std/clock.ts'
import { type Running, Started } from '../../mesh/std/lifecycle.ts'
import type { Log } from '../../mesh/std/log.ts'
import type { Upstream } from './exchange.ts'
import { createForwarder } from './forward.ts'
import { listenDns } from './listen.ts'
import { fitUdp, readQuery, writeAnswer } from './message.ts'
import { answerOf, type NameTable, type PreparedNames, prepareNames } from './names.ts'
import { leadsTo, systemUpstreams } from './upstreams.ts'

/**
 * The agent's resolver: answers for the mesh's names and hands everything else on. It never recurses, never caches,
 * and never changes what others answer.
 */

export interface DnsDeps {
  readonly log: Log
  readonly clock: Clock
  readonly random: Random
}

export interface DnsOptions {
  /** Where to listen, UDP and TCP alike; 127.0.0.1:15053 and [::1]:15053 when left out. Port 0 takes a free one. */
  readonly listen?: readonly Upstream[]
  /** The zone that is ours alone, without dots at its ends: `mesh`. */
  readonly zone: string
  /** File that lists the servers to forward to; `/etc/resolv.conf` when left out. */
  readonly resolvConf?: string
  /** Servers to forward to instead of those of the file. */
  readonly upstreams?: readonly Upstream[]
  /** Time for a forwarded query before it is SERVFAIL, 5000 when left out. */
  readonly timeoutMs?: number
  /** Forwarded queries that may wait at the same time, 1024 when left out; more are SERVFAIL. */
  readonly maxOutstanding?: number
}

export interface DnsCounts {
  /** Answered by the mesh itself, whatever the answer. */
  readonly answered: number
  readonly forwarded: number
  /** Forwarded without an answer in time. */
  readonly failed: number
  readonly malformed: number
}

export interface Dns extends Running {
  /** Replaces every name at once. */
  update(table: NameTable): void
  /** Queries since the start. */
  counts(): DnsCounts
}

const defaultListen: readonly Upstream[] = [
  { host: '127.0.0.1', port: 15053 },
  { host: '::1', port: 15053 },
]

/**
 * Starts the resolver; its addresses are named by the host they were asked for. Throws `WEFT_LISTEN` when a port is
 * taken. Until the first `update`, names of the zone are SERVFAIL and all others are forwarded.
 */
export async function startDns(deps: DnsDeps, options: DnsOptions): Promise<Dns> {
  const { log, clock, random } = deps
  const started = new Started()
  const stopping = new AbortController()
  const counts = { answered: 0, forwarded: 0, failed: 0, malformed: 0 }
  let names: PreparedNames | undefined
  let bound: readonly Upstream[] = options.listen ?? defaultListen
  const isOwn = (upstream: Upstream) => leadsTo(bound, upstream)
  const upstreams =
    options.upstreams === undefined
      ? systemUpstreams(options.resolvConf ?? '/etc/resolv.conf', clock, isOwn)
      : () => options.upstreams ?? []
  const forwarder = createForwarder(clock, upstreams, {
    timeoutMs: options.timeoutMs ?? 5_000,
    maxOutstanding: options.maxOutstanding ?? 1_024,
  })

  async function answer(bytes: Buffer, protocol: 'udp' | 'tcp'): Promise<Buffer | undefined> {
    const query = readQuery(bytes)
    if (query.kind === 'bad') {
      counts.malformed += 1
      return query.answer
    }
    const fit = (whole: Buffer) => (protocol === 'udp' ? fitUdp(whole, query) : whole)
    const own = answerOf(query, options.zone, names, random)
    if (own !== undefined) {
      counts.answered += 1
      return fit(own)
    }
    counts.forwarded += 1
    const others = await forwarder.ask(bytes, protocol, stopping.signal)
    if (others !== undefined) return fit(others)
    counts.failed += 1
    return writeAnswer(query, 'SERVFAIL')
  }

  const addresses: Record<string, string> = {}
  try {
    const listeners: Upstream[] = []
    for (const wanted of options.listen ?? defaultListen) {
      const listener = await listenDns(wanted, answer, { log, clock })
      started.add(() => listener.stop())
      if (listener.port === 0) continue
      listeners.push({ host: wanted.host, port: listener.port })
      const host = wanted.host.includes(':') ? `[${wanted.host}]` : wanted.host
      addresses[wanted.host] = `${host}:${listener.port}`
    }
    bound = listeners
  } catch (error) {
    await started.stop()
    throw error
  }
  return {
    addresses,
    update(table) {
      names = prepareNames(table)
    },
    counts: () => ({ ...counts }),
    async stop() {
      stopping.abort()
      await started.stop()
    },
  }
}
