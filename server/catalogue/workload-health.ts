import type { CatalogueWorkload } from '../../mesh/model/catalogue.ts'
import type { Workload } from '../../mesh/model/workload.ts'
import type { ProbedHealth } from '../health/host-reports.ts'

/** What is known about a workload besides its registry's word. */
export interface HealthEvidence {
  /** What its own host says. */
  readonly found: ProbedHealth | undefined
  /** Whether the agent of its host is in touch and has reported something. */
  readonly reporting: boolean
  readonly held: boolean
  /** How the workload stood before. */
  readonly before: CatalogueWorkload | undefined
}

type JudgedHealth = Pick<CatalogueWorkload, 'health' | 'healthReason' | 'healthFrom'>

/** What counts as a registry that checks nothing: there a health is only assumed. */
const unchecked = new Set(['static', 'resources', 'hosts'])

/**
 * Whose word counts: a check that the mesh runs itself goes before what a registry says, save that a workload which is
 * being taken out of service stays so. With no word at all health is assumed; where a check is due and has not
 * answered yet, a workload that nobody has called so far has to wait for it.
 */
export function judgeHealth(workload: Workload, kind: string, evidence: HealthEvidence): JudgedHealth {
  const { found, reporting, held, before } = evidence
  const { registry, health, healthReason } = workload
  const told: JudgedHealth = {
    health,
    ...(healthReason === undefined ? {} : { healthReason }),
    healthFrom: unchecked.has(kind) && health === 'healthy' ? 'assumed' : registry,
  }
  if (health === 'draining' || (workload.probe === undefined && !held)) return told
  if (found !== undefined) {
    return found.healthy
      ? { health: 'healthy', healthFrom: 'probe' }
      : { health: 'unhealthy', healthReason: found.reason, healthFrom: 'probe' }
  }
  if (held || !reporting || before?.health === 'healthy') return told
  return { health: 'unhealthy', healthReason: 'its health check has not answered yet', healthFrom: 'pending' }
}
