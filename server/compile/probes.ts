import type { CatalogueWorkload } from '../../mesh/model/catalogue.ts'
import type { Probe } from '../../mesh/model/probe.ts'

/** Quick, because only the answer tells a workload that is gone from a registry that has lost it. */
const heldProbe = {
  initialDelayMs: 0,
  timeoutMs: 1000,
  periodMs: 2000,
  successThreshold: 1,
  failureThreshold: 2,
} as const satisfies Omit<Probe, 'check'>

/**
 * What the host's agent is to check: what the workload's owner says, and without it, while the workload has vanished
 * from its registry and is kept, whether anything still listens at the ports it serves.
 */
export function probesOf(
  workload: Pick<CatalogueWorkload, 'held' | 'probe'>,
  ports: readonly { readonly port: number }[],
): readonly Probe[] {
  if (workload.probe !== undefined) return [workload.probe]
  return workload.held ? ports.map(({ port }) => ({ ...heldProbe, check: { kind: 'tcp', port } })) : []
}
