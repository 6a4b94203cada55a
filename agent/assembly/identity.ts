import type { Started } from '../../mesh/std/lifecycle.ts'
import { Watch } from '../../mesh/std/watch.ts'
import type { Membership } from '../control/membership.ts'
import type { startSavers } from '../control/savers.ts'
import type { DataPlane } from '../dataplane/dataplane.ts'
import { startCertificates } from '../identity/certificates.ts'
import type { Signer } from '../identity/keeper.ts'
import type { AgentDeps } from './deps.ts'

export interface IdentityDeps extends AgentDeps {
  readonly started: Started
  readonly savers: Pick<ReturnType<typeof startSavers>, 'certificates' | 'trust'>
  readonly dataPlane: Pick<DataPlane, 'credentials'>
}

/**
 * Starts to hold what this host is and whom it believes: the data threads present the certificates, and what changes
 * of either is kept on disk. `signer` is to be set while there is somebody who signs.
 */
export function startIdentity({ started, savers, dataPlane, ...deps }: IdentityDeps, membership: Membership) {
  const signer = new Watch<Signer | undefined>(undefined)
  const trust = new Watch(membership.trust)
  const certificates = startCertificates(
    { ...deps, signer, trust, save: (node, workloads) => savers.certificates.save({ node, workloads }) },
    membership,
  )
  started.add(() => certificates.stop())
  started.add(certificates.credentials.subscribe(credentials => dataPlane.credentials(credentials)))
  started.add(trust.subscribe(bundle => savers.trust.save(bundle)))
  return { signer, trust, certificates }
}
