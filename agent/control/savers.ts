import type { TrustBundle } from '../../mesh/identity/trust-bundle.ts'
import type { Started } from '../../mesh/std/lifecycle.ts'
import type { HeldCertificate } from '../identity/held-certificate.ts'
import type { AgentState, PortAssignment } from './agent-state.ts'
import { createSaver, type SaverDeps } from './saver.ts'

interface Certificates {
  readonly node: HeldCertificate
  readonly workloads: readonly HeldCertificate[]
}

/**
 * What changes between two pushes is saved in the background; a push's own resources before it is acknowledged. What
 * is being written when `started` stops is waited for.
 */
export function startSavers(deps: Omit<SaverDeps<unknown>, 'write'>, state: AgentState, started: Started) {
  const certificates = createSaver<Certificates>(
    {
      ...deps,
      async write({ node: { identity, key, chain }, workloads }) {
        await state.saveNode({ identity, key, chain })
        await state.saveWorkloads(workloads)
      },
    },
    'certificates',
  )
  const trust = createSaver<TrustBundle>({ ...deps, write: bundle => state.saveTrust(bundle) }, 'trust bundle')
  const ports = createSaver<PortAssignment>({ ...deps, write: assigned => state.savePorts(assigned) }, 'ports')
  const all = [certificates, trust, ports]
  started.add(() => Promise.all(all.map(saver => saver.stop())))
  return { certificates, trust, ports, problems: () => all.flatMap(saver => saver.problem() ?? []) }
}
