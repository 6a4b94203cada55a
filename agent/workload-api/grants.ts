import type { TrustBundle } from '../../mesh/identity/trust-bundle.ts'
import type { AgentConfig } from '../../mesh/model/agent-config.ts'
import { Watch } from '../../mesh/std/watch.ts'
import type { Credential } from '../dataplane/messages.ts'
import type { PeerProcess } from '../intercept/peer-credentials.ts'
import { type EntitlementFacts, identitiesOf } from './entitlement.ts'

/** What a process may have at one moment. */
export type Grant =
  | { readonly kind: 'granted'; readonly credentials: readonly Credential[]; readonly trust: TrustBundle }
  /** It has identities, and none of them has a certificate at this moment. */
  | { readonly kind: 'unavailable' }
  | { readonly kind: 'denied' }

/** What there is to be given. */
export interface GrantSources {
  readonly inUse: Watch<AgentConfig | undefined>
  readonly credentials: Watch<readonly Credential[]>
  readonly trust: Watch<TrustBundle>
}

/** Decides what processes are given. */
export interface Grants {
  /** Counts the changes after which {@link Grants.of} may say something else. */
  readonly revision: Watch<number>
  of(peer: PeerProcess): Promise<Grant>
  stop(): void
}

/** Begins to follow the sources. Identities that are banned are never given, whatever certificates there are. */
export function followGrants({ inUse, credentials, trust }: GrantSources, facts: EntitlementFacts): Grants {
  const revision = new Watch(0)
  const changed = () => revision.set(revision.value + 1)
  const unsubscribe = [inUse.subscribe(changed), credentials.subscribe(changed), trust.subscribe(changed)]
  return {
    revision,
    async of(peer) {
      const workloads = inUse.value?.workloads
      if (workloads === undefined) return { kind: 'unavailable' }
      const entitled = await identitiesOf(peer, workloads, facts)
      const { bannedIdentities = [], roots } = trust.value
      const allowed = new Set(entitled.filter(identity => !bannedIdentities.includes(identity)))
      if (allowed.size === 0) return { kind: 'denied' }
      const held = credentials.value.filter(({ identity }) => allowed.has(identity))
      if (held.length === 0 || roots.length === 0) return { kind: 'unavailable' }
      return { kind: 'granted', credentials: held, trust: trust.value }
    },
    stop() {
      for (const end of unsubscribe) end()
    },
  }
}
