import { type RegistryProblem, type RegistrySnapshot, registrySnapshot } from '../../mesh/model/catalogue.ts'
import type { Workload } from '../../mesh/model/workload.ts'
import type { Resource } from '../../mesh/resources/resource.ts'
import { snapshotFromResources } from '../../mesh/resources/to-model.ts'
import { workloadId } from '../../mesh/resources/workload-to-model.ts'
import { hostsRegistry } from '../../mesh/wire/registration.ts'
import type { Admitted } from './judge.ts'

/**
 * What admitted registrations are as a registry: their workloads, and of every ServiceEntry whose selector chooses some
 * of them a service with nothing but those endpoints. All else of the service is what the operators' registry says.
 */
export function hostsSnapshot(
  admitted: readonly Admitted[],
  resources: readonly Resource[],
  problems: readonly RegistryProblem[],
): RegistrySnapshot {
  const templates = resources.filter(resource => {
    return (
      resource.kind === 'WorkloadGroup' ||
      (resource.kind === 'ServiceEntry' && resource.spec.workloadSelector !== undefined)
    )
  })
  const made = snapshotFromResources(hostsRegistry, [...templates, ...admitted.map(({ entry }) => entry)])
  const maintenance = new Map(
    admitted.map(({ entry, maintenance }) => {
      return [workloadId(hostsRegistry, entry.metadata.namespace, entry.metadata.name), maintenance]
    }),
  )
  const isOurs = (workload: string) => maintenance.has(workload)
  return registrySnapshot({
    services: [...made.services.values()].flatMap(service => {
      const endpoints = service.endpoints.filter(({ workload }) => isOurs(workload))
      return endpoints.length === 0 ? [] : [{ ...service, hosts: [], addresses: [], endpoints }]
    }),
    workloads: [...made.workloads.values()]
      .filter(({ id }) => isOurs(id))
      .map(workload => inService(workload, maintenance.get(workload.id) ?? '')),
    problems: [...problems, ...made.problems],
  })
}

const maxReasonLength = 200

function inService(workload: Workload, maintenance: string): Workload {
  if (maintenance === '') return workload
  return { ...workload, health: 'draining', healthReason: `maintenance: ${maintenance}`.slice(0, maxReasonLength) }
}
