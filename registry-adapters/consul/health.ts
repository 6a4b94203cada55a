import type { Health } from '../../mesh/model/workload.ts'
import { quoted } from '../quoted.ts'
import type { CheckStatus, ConsulCheck, ConsulInstance } from './answers.ts'

/** What Consul says about an instance's health. */
export interface InstanceHealth {
  readonly health: Health
  readonly weight: number
  /** Why it is not simply healthy; one line, at most 200 characters. */
  readonly healthReason?: string
}

/** Checks that Weft itself has written begin like this: they say what the mesh knows already, and never count. */
export const ownCheckPrefix = 'weft:'

/** Reads health and share of traffic from an instance's checks, its node's included. */
export function healthOf({ checks: all, weights }: ConsulInstance): InstanceHealth {
  const checks = all.filter(check => !check.id.startsWith(ownCheckPrefix))
  const worst = (status: CheckStatus) => checks.filter(check => check.status === status).sort(byId)[0]
  const warning = worst('warning')
  const weight = warning === undefined ? weights.passing : weights.warning
  // Maintenance goes first: while it is on, applications often fail their own check on purpose, and what is open stays.
  const maintenance = checks.filter(isMaintenance).sort(byId)[0]
  if (maintenance !== undefined) {
    return { health: 'draining', weight, healthReason: oneLine(`maintenance mode: ${maintenance.notes}`) }
  }
  const critical = worst('critical')
  if (critical !== undefined) return { health: 'unhealthy', weight, healthReason: reasonOf(critical) }
  return { health: 'healthy', weight, ...(warning !== undefined && { healthReason: reasonOf(warning) }) }
}

/** Consul's maintenance mode is a critical check with a reserved id, for a node or for one instance. */
function isMaintenance(check: ConsulCheck): boolean {
  return check.id === '_node_maintenance' || check.id.startsWith('_service_maintenance:')
}

function reasonOf({ name, id, status, output, service, node }: ConsulCheck): string {
  const where = service === '' ? ` of node ${quoted(node)}` : ''
  const what = `check ${quoted(name === '' ? id : name)}${where} is ${status}`
  return oneLine(output === '' ? what : `${what}: ${output}`)
}

function oneLine(text: string): string {
  const line = text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ').trim()
  return line.length > 200 ? `${line.slice(0, 199)}…` : line
}

function byId(a: ConsulCheck, b: ConsulCheck): number {
  return a.id < b.id ? -1 : 1
}
