import type { TrustBundle } from '../../mesh/identity/trust-bundle.ts'
import type { AgentConfig } from '../../mesh/model/agent-config.ts'
import type { Started } from '../../mesh/std/lifecycle.ts'
import type { Watch } from '../../mesh/std/watch.ts'
import type { HeldResources } from '../../mesh/wire/held-resources.ts'
import type { AgentSettings } from '../config.ts'
import type { AgentState } from '../control/agent-state.ts'
import { createApplier, type Follower } from '../control/apply.ts'
import { createDnsEndpoints } from '../control/dns-endpoints.ts'
import { createListenerSet } from '../control/listener-set.ts'
import type { Membership } from '../control/membership.ts'
import type { startSavers } from '../control/savers.ts'
import type { DataPlane } from '../dataplane/dataplane.ts'
import type { RejectedResource } from '../dataplane/messages.ts'
import { createLookUp } from '../dns/look-up.ts'
import type { Certificates } from '../identity/certificates.ts'
import type { AgentDeps } from './deps.ts'

export interface ControlDeps extends AgentDeps {
  readonly started: Started
  readonly state: Pick<AgentState, 'saveResources'>
  readonly savers: Pick<ReturnType<typeof startSavers>, 'ports'>
  readonly dataPlane: Pick<DataPlane, 'apply' | 'listen'>
  readonly trust: Watch<TrustBundle>
  readonly certificates: Pick<Certificates, 'want'>
  /** In the order in which they follow a config. */
  readonly followers: readonly Follower[]
  /** Is given each config that is in use. */
  readonly inUse: Watch<AgentConfig | undefined>
}

/** Makes what puts configs in use: on the data threads, their listeners, and all that follow. Nothing is in use yet. */
export function createControl(deps: ControlDeps, settings: AgentSettings, membership: Membership) {
  const { log, started, dataPlane } = deps
  let frozen = false
  const listeners = createListenerSet(
    { log, dataPlane, save: ports => deps.savers.ports.save(ports) },
    { ports: settings.ports, assigned: membership.ports },
  )
  const endpoints = createDnsEndpoints({
    ...deps,
    lookUp: createLookUp(settings.dns.upstreams),
    // Not before the applier has had them filled in once.
    changed() {
      if (frozen) return
      applier.refresh().catch(error => log.error('endpoints found by DNS are not in use', { error: String(error) }))
    },
  })
  started.add(() => endpoints.stop())
  const applier = createApplier({ ...deps, listeners, endpoints })
  return {
    listeners,
    apply: async (wanted: AgentConfig): Promise<readonly RejectedResource[]> => (frozen ? [] : applier.apply(wanted)),
    /** Keeps on disk what is in use. */
    async keep(held: HeldResources): Promise<void> {
      if (!frozen) await deps.state.saveResources(held.values())
    },
    /** From now on everything stays as it is, on disk too. */
    freeze() {
      frozen = true
    },
  }
}
