import type { Clock, Random } from '../../mesh/std/clock.ts'
import type { Log } from '../../mesh/std/log.ts'
import type { PartStatus } from '../admin/status.ts'
import type { AgentSettings } from '../config.ts'
import type { Dns, DnsOptions } from '../dns/dns.ts'
import type { NameTable } from '../dns/names.ts'
import type { Follower } from './apply.ts'
import { dnsTableOf } from './dns-table.ts'
import { createRetrying } from './retrying.ts'
import { parseUpstream } from './upstream-address.ts'

export interface DnsFollowerDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  start(options: DnsOptions): Promise<Dns>
}

/** The resolver, following the config. While it fails, everything else goes on and it is tried again. */
export interface DnsFollower extends Follower {
  status(): PartStatus
  stop(): Promise<void>
}

interface Wanted {
  readonly zone: string
  readonly table: NameTable
}

/** Before the first config says otherwise. */
const defaultZone = 'mesh'

/** Starts the resolver, or nothing when the settings say so. Resolves after the first try to start. */
export async function startDnsFollower(
  deps: DnsFollowerDeps,
  settings: Pick<AgentSettings, 'dns' | 'ports'>,
): Promise<DnsFollower> {
  const { enabled, upstreams } = settings.dns
  let dns: Dns | undefined
  let zone = defaultZone
  const trying = createRetrying<Wanted>({
    ...deps,
    failing: 'mesh names are not answered',
    code: 'WEFT_LISTEN',
    async attempt(latest) {
      if (latest !== undefined && latest.zone !== zone) {
        await dns?.stop()
        dns = undefined
        zone = latest.zone
      }
      dns ??= await deps.start({
        zone,
        listen: ['127.0.0.1', '::1'].map(host => ({ host, port: settings.ports.dns })),
        ...(upstreams.length > 0 && { upstreams: upstreams.map(parseUpstream) }),
      })
      if (latest !== undefined) dns.update(latest.table)
    },
  })
  if (enabled) await trying.submit(undefined)
  return {
    async follow(config) {
      if (enabled) await trying.submit({ zone: config.host.dnsDomain, table: dnsTableOf(config) })
    },
    status() {
      if (!enabled) return { state: 'off' }
      const reason = trying.problem()
      return reason === undefined
        ? { state: 'ok', detail: { zone, addresses: dns?.addresses, ...dns?.counts() } }
        : { state: 'failing', reason }
    },
    async stop() {
      await trying.stop()
      await dns?.stop()
    },
  }
}
