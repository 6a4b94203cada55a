import type { Health } from '../../mesh/model/workload.ts'
import type { ConsulCheck, ConsulInstance } from './answers.ts'

/** Reads health and share of traffic from an instance's checks, its node's included. */
export function healthOf(instance: ConsulInstance): { readonly health: Health; readonly weight: number } {
  const { checks, weights } = instance
  const warning = checks.some(check => check.status === 'warning')
  const weight = warning ? weights.warning : weights.passing
  // Maintenance goes first: while it is on, applications often fail their own check on purpose, and what is open stays.
  if (checks.some(isMaintenance)) return { health: 'draining', weight }
  return { health: checks.some(check => check.status === 'critical') ? 'unhealthy' : 'healthy', weight }
}

/** Consul's maintenance mode is a critical check with a reserved id, for a node or for one instance. */
function isMaintenance(check: ConsulCheck): boolean {
  return check.id === '_node_maintenance' || check.id.startsWith('_service_maintenance:')
}
