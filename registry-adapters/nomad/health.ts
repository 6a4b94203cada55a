import type { Health } from '../../mesh/model/workload.ts'
import { firstLine, quoted } from '../quoted.ts'
import type { NomadAllocation } from './answers.ts'
import type { CheckResult } from './check-results.ts'
import type { JobGroup, JobService } from './job-group.ts'

/** Everything that tells how one registration stands. */
export interface HealthSources {
  readonly service: string
  readonly allocation: NomadAllocation
  readonly group: JobGroup
  /** Its `service` block, if it was found. */
  readonly block: JobService | undefined
  /** Results of all native checks of the allocation; undefined when they are not known, or too old to be trusted. */
  readonly checks: readonly CheckResult[] | undefined
}

export interface InstanceHealth {
  readonly health: Health
  readonly healthReason?: string
}

/**
 * Health of a registration: Nomad lists it whatever its checks say, and also while its allocation stops. What Nomad
 * has decided about the allocation goes before what checks say.
 */
export function healthOf(sources: HealthSources): InstanceHealth {
  const { allocation, group } = sources
  const { desiredStatus, clientStatus, migrate, deploymentHealthy, nodeName } = allocation
  if (desiredStatus !== 'run')
    return { health: 'draining', healthReason: `nomad wants its allocation to ${stopWord(desiredStatus)}` }
  if (migrate) return { health: 'draining', healthReason: 'its node is drained, and the allocation has to move' }
  if (clientStatus !== 'running' && clientStatus !== 'unknown') {
    return unhealthy(`its allocation is ${quoted(clientStatus)}, not running`)
  }
  if (deploymentHealthy === false) return unhealthy('its deployment found the allocation unhealthy')
  const failed = ownChecks(sources)?.find(({ status }) => status === 'failure')
  if (failed !== undefined) return unhealthy(`check ${quoted(failed.check)} failed: ${firstLine(failed.output)}`)
  const waiting = group.deploys && deploymentHealthy === undefined ? waitingFor(sources) : undefined
  if (waiting !== undefined) return unhealthy(waiting)
  if (clientStatus === 'running') return { health: 'healthy' }
  // Nomad keeps the registrations of a client it has lost touch with, for as long as the job's disconnect block says.
  return {
    health: 'healthy',
    healthReason: firstLine(`node ${quoted(nodeName)} is disconnected, this is its last known state`),
  }
}

/** Why an allocation that its deployment still watches is not to be used yet. */
function waitingFor(sources: HealthSources): string | undefined {
  const own = ownChecks(sources)
  if (own === undefined) return hasChecks(sources) ? 'its checks have not been read yet' : undefined
  const pending = own.find(({ status }) => status === 'pending')
  if (pending !== undefined) return `check ${quoted(pending.check)} is pending`
  return own.length === 0 && hasChecks(sources) ? 'its checks have not run yet' : undefined
}

/**
 * Results carry the name of the service only, which may have several registrations in one allocation: a check counts
 * for those whose block has one of that name, and for all when no block has.
 */
function ownChecks({ service, group, block, checks }: HealthSources): readonly CheckResult[] | undefined {
  const blocks = blocksOf(service, group)
  return checks?.filter(result => {
    if (result.service !== service) return false
    const known = blocks.some(other => other.checks.includes(result.check))
    return block === undefined || !known || block.checks.includes(result.check)
  })
}

function hasChecks({ service, group, block }: HealthSources): boolean {
  const blocks = block === undefined ? blocksOf(service, group) : [block]
  return blocks.some(({ checks }) => checks.length > 0)
}

function blocksOf(service: string, group: JobGroup): readonly JobService[] {
  return [...group.services.values()].filter(({ name }) => name === service)
}

function unhealthy(reason: string): InstanceHealth {
  return { health: 'unhealthy', healthReason: firstLine(reason) }
}

function stopWord(desiredStatus: string): string {
  return desiredStatus === 'stop' ? 'stop' : `be ${quoted(desiredStatus)}`
}
