import { parseSpiffeId } from '../../mesh/identity/spiffe-id.ts'
import type { TrustBundle } from '../../mesh/identity/trust-bundle.ts'
import { trustOf } from '../../mesh/model/trust.ts'
import { MeshError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import { type HeldResources, restoreResources } from '../../mesh/wire/held-resources.ts'
import { type HeldCertificate, holdCertificate } from '../identity/held-certificate.ts'
import type { AgentState, PortAssignment } from './agent-state.ts'

/** What an earlier run, or joining, has left: enough to serve without the server. */
export interface Membership {
  readonly node: HeldCertificate
  readonly trust: TrustBundle
  readonly workloads: readonly HeldCertificate[]
  readonly held: HeldResources
  readonly ports: PortAssignment
}

/**
 * Reads it from the state directory. Throws WEFT_NOT_JOINED when there is no node certificate, and WEFT_CONFIG_INVALID
 * when the node is called otherwise now than when it joined.
 */
export async function loadMembership(state: AgentState, node: string, log: Log): Promise<Membership> {
  const kept = await state.node()
  if (kept?.identity === undefined || kept.chain === undefined) {
    throw new MeshError('WEFT_NOT_JOINED', 'this host has not joined a mesh', { fields: { node } })
  }
  const { identity, key, chain } = kept
  const id = parseSpiffeId(identity)
  if (id.kind !== 'agent' || id.node !== node) {
    throw new MeshError('WEFT_CONFIG_INVALID', 'this host joined under another name', {
      fields: { node, identity },
      next: 'set node to the name it joined under, or remove the state directory and join again',
    })
  }
  const { held, unusable } = restoreResources(await state.resources())
  for (const { name, reason } of unusable) log.warn('a saved resource cannot be used any more', { name, reason })
  return {
    node: holdCertificate({ identity, key, chain }),
    trust: newestTrust(await state.trust(), held, id.trustDomain),
    workloads: await state.workloads(),
    held,
    ports: await state.ports(),
  }
}

/** A file that was lost must not take trust back: the saved config holds the bundle too. */
function newestTrust(saved: TrustBundle | undefined, held: HeldResources, trustDomain: string): TrustBundle {
  const resource = held.get('trust')?.resource
  const inConfig = resource?.kind === 'trust' && resource.trustDomain === trustDomain ? resource : undefined
  if (inConfig !== undefined && inConfig.sequence > (saved?.sequence ?? -2)) {
    return trustOf(inConfig)
  }
  return saved ?? { trustDomain, sequence: -1, roots: [] }
}
