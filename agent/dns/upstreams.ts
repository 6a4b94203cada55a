import { statSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import type { Clock } from '../../mesh/std/clock.ts'
import type { Upstream } from './exchange.ts'
import { readResolvConf } from './resolv-conf.ts'

const lookEveryMs = 1_000

/**
 * The system's name servers by a resolv.conf, read again when the file has changed, looked at once a second at most
 * and only when somebody asks. An address that `isOwn` claims is left out: a resolver that asks itself never ends.
 */
export function systemUpstreams(
  path: string,
  clock: Clock,
  isOwn: (upstream: Upstream) => boolean,
): () => readonly Upstream[] {
  let lookedAt = Number.NEGATIVE_INFINITY
  let version = ''
  let servers: readonly Upstream[] = []
  return () => {
    if (clock.monotonic() - lookedAt < lookEveryMs) return servers
    lookedAt = clock.monotonic()
    const now = versionOf(path)
    if (now === version) return servers
    version = now
    servers = readResolvConf(path)
      .servers.map(host => ({ host, port: 53 }))
      .filter(upstream => !isOwn(upstream))
    return servers
  }
}

/** Tells whether an address and port lead to one of the given listeners, wildcard listeners included. */
export function leadsTo(listeners: readonly Upstream[], upstream: Upstream): boolean {
  const local = () => Object.values(networkInterfaces()).flatMap(all => (all ?? []).map(({ address }) => address))
  return listeners.some(({ host, port }) => {
    if (port !== upstream.port) return false
    if (host === upstream.host) return true
    if (host !== '0.0.0.0' && host !== '::') return false
    return upstream.host.startsWith('127.') || local().includes(upstream.host)
  })
}

/** Changes when the file is written, replaced, or its link points elsewhere. */
function versionOf(path: string): string {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false })
  return stat === undefined ? 'absent' : `${stat.dev} ${stat.ino} ${stat.size} ${stat.mtimeNs}`
}
