import { type RegistryProblem, type RegistrySnapshot, registrySnapshot } from '../model/catalogue.ts'
import type { Service } from '../model/service.ts'
import type { Workload } from '../model/workload.ts'
import { describeResource, type Resource } from './resource.ts'
import { serviceFromEntry } from './service-to-model.ts'
import type { WorkloadEntry } from './workload-entry.ts'
import type { WorkloadGroup } from './workload-group.ts'
import { hasAddress, type JoinedEntry, joinGroup, workloadFromEntry } from './workload-to-model.ts'

/**
 * What resources say about services and workloads, as a registry of the given name would. A resource that cannot be
 * used is left out and named as `<kind> <namespace>/<name>`; kinds that are no part of a registry are skipped.
 */
export function snapshotFromResources(registryName: string, resources: readonly Resource[]): RegistrySnapshot {
  const problems: RegistryProblem[] = []
  const unique = firstOfEach(resources, problems)
  const groups = new Map(
    unique.filter(resource => resource.kind === 'WorkloadGroup').map(group => [describeResource(group), group]),
  )
  const entries = unique
    .filter(resource => resource.kind === 'WorkloadEntry')
    .flatMap(entry => withGroup(entry, groups, problems))
  // what has a name only is an endpoint of the services that choose it, and no workload of its own
  const workloads: Workload[] = entries.filter(hasAddress).map(entry => workloadFromEntry(registryName, entry))
  const services: Service[] = []
  for (const entry of unique) {
    if (entry.kind !== 'ServiceEntry') continue
    const made = serviceFromEntry(registryName, entry, entries)
    services.push(made.service)
    workloads.push(...made.workloads)
  }
  return registrySnapshot({ services, workloads, problems })
}

function firstOfEach(resources: readonly Resource[], problems: RegistryProblem[]): Resource[] {
  const seen = new Set<string>()
  return resources.filter(resource => {
    const item = describeResource(resource)
    if (!seen.has(item)) return seen.add(item)
    problems.push({ item, reason: 'is declared twice, the first one is used' })
    return false
  })
}

function withGroup(
  entry: WorkloadEntry,
  groups: ReadonlyMap<string, WorkloadGroup>,
  problems: RegistryProblem[],
): JoinedEntry[] {
  const name = entry.metadata.annotations?.['weft.dev/group']
  if (name === undefined) return [entry]
  const group = groups.get(`WorkloadGroup ${entry.metadata.namespace}/${name}`)
  if (group !== undefined) return [joinGroup(entry, group)]
  const reason = `is of the WorkloadGroup ${entry.metadata.namespace}/${name}, which does not exist`
  problems.push({ item: describeResource(entry), reason })
  return []
}
