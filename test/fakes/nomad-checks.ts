import { createHash } from 'node:crypto'
import type { NomadAllocation } from './nomad-model.ts'
import type { NomadCheckResult } from './nomad-state.ts'

/** The results that a client has once every check of an allocation passes; by their IDs. */
export function checksOf(allocation: NomadAllocation): Map<string, NomadCheckResult> {
  const group = allocation.Job.TaskGroups.find(one => one.Name === allocation.TaskGroup)
  const services = [...(group?.Services ?? []), ...(group?.Tasks ?? []).flatMap(task => task.Services ?? [])]
  const results = services.flatMap(service =>
    (service.Checks ?? []).map(check => {
      const id = createHash('sha256').update(`${allocation.ID}/${service.Name}/${service.PortLabel}/${check.Name}`)
      const http = check.Type === 'http'
      return {
        Check: check.Name,
        Group: allocation.Name,
        ID: id.digest('hex'),
        Mode: check.OnUpdate === 'ignore' ? 'readiness' : 'healthiness',
        Output: http ? 'nomad: http ok' : 'nomad: tcp ok',
        Service: service.Name,
        Status: 'success',
        ...(http && { StatusCode: 200 }),
        Timestamp: 1795312986,
      }
    }),
  )
  return new Map(results.map(result => [result.ID, result]))
}
