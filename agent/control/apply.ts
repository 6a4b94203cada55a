import { advanceTrustBundle, type TrustBundle } from '../../mesh/identity/trust-bundle.ts'
import type { AgentConfig } from '../../mesh/model/agent-config.ts'
import { trustOf } from '../../mesh/model/trust.ts'
import { describeError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import type { Watch } from '../../mesh/std/watch.ts'
import type { DataPlane } from '../dataplane/dataplane.ts'
import type { RejectedResource } from '../dataplane/messages.ts'
import type { Certificates } from '../identity/certificates.ts'
import type { PortAssignment } from './agent-state.ts'
import type { DnsEndpoints } from './dns-endpoints.ts'
import type { ListenerSet } from './listener-set.ts'

/** A part that follows the config after the data plane: capture, DNS. It keeps and reports its own failures. */
export interface Follower {
  follow(config: AgentConfig, ports: PortAssignment): Promise<void>
}

export interface ApplierDeps {
  readonly log: Log
  readonly dataPlane: Pick<DataPlane, 'apply'>
  readonly certificates: Pick<Certificates, 'want'>
  readonly listeners: Pick<ListenerSet, 'open' | 'ports'>
  readonly endpoints: Pick<DnsEndpoints, 'fill'>
  readonly trust: Watch<TrustBundle>
  readonly followers: readonly Follower[]
  /** Is given each config that is in use; undefined before the first. */
  readonly inUse: Watch<AgentConfig | undefined>
}

/** Puts configs in use, one after the other. */
export interface Applier {
  /**
   * Puts a whole config in use and returns the resources that could not be: their last good version stays. Sockets
   * are open and data threads decide by it before anything is redirected to them.
   */
  apply(config: AgentConfig): Promise<readonly RejectedResource[]>
  /** Hands the config in use to the data threads again, with the endpoints that DNS knows now. */
  refresh(): Promise<void>
}

/** Makes the applier; nothing is in use yet. */
export function createApplier(deps: ApplierDeps): Applier {
  let latest: AgentConfig | undefined
  let queue: Promise<unknown> = Promise.resolve()
  return {
    apply: wanted => oneAtATime(() => apply(wanted)),
    refresh: () => oneAtATime(refresh),
  }

  async function apply(wanted: AgentConfig): Promise<readonly RejectedResource[]> {
    const rejected: RejectedResource[] = []
    const trusted = { ...wanted, trust: { kind: 'trust' as const, ...advanced(wanted, rejected) } }
    const config = await deps.endpoints.fill(trusted)
    deps.certificates.want(identitiesOf(config))
    rejected.push(...(await deps.dataPlane.apply(config)))
    await deps.listeners.open(config)
    latest = trusted
    deps.inUse.set(config)
    for (const follower of deps.followers) await follower.follow(config, deps.listeners.ports())
    return rejected
  }

  /** Listeners and followers do not depend on endpoints outside the mesh. */
  async function refresh(): Promise<void> {
    if (latest === undefined) return
    const config = await deps.endpoints.fill(latest)
    const rejected = await deps.dataPlane.apply(config)
    if (rejected.length > 0) deps.log.warn('endpoints found by DNS are not usable', { rejected })
    deps.inUse.set(config)
  }

  function oneAtATime<T>(task: () => Promise<T>): Promise<T> {
    const mine = queue.then(task)
    queue = mine.catch(() => {})
    return mine
  }

  /** Trust never goes back: an older bundle is refused by name and the one in use stays. */
  function advanced(wanted: AgentConfig, rejected: RejectedResource[]): TrustBundle {
    try {
      deps.trust.set(advanceTrustBundle(deps.trust.value, trustOf(wanted.trust)))
    } catch (error) {
      rejected.push({ name: 'trust', reason: describeError(error) })
      deps.log.warn('trust bundle refused, the one in use stays', { reason: describeError(error) })
    }
    return deps.trust.value
  }
}

function identitiesOf(config: AgentConfig): Set<string> {
  const ofWorkloads = config.workloads.flatMap(workload => workload.identity ?? [])
  return new Set([...ofWorkloads, ...(config.host.defaultIdentity === undefined ? [] : [config.host.defaultIdentity])])
}
