import type { RegistryProblem, RegistrySnapshot } from '../../mesh/model/catalogue.ts'
import { type Service, serviceKey } from '../../mesh/model/service.ts'
import type { Workload } from '../../mesh/model/workload.ts'
import { quoted } from './address-check.ts'
import { checkService } from './check-service.ts'
import { checkWorkload, type ItemRules } from './check-workload.ts'

/** Problems that are kept per registry: enough to act on, bounded against a registry full of nonsense. */
const maxProblems = 1000

/**
 * Judges everything a registry says, item by item, whatever its adapter has already checked: registries lie, and what
 * passes here is routed to. A bad item is left out by name; all others stay.
 */
export function validateSnapshot(snapshot: RegistrySnapshot, registry: string, rules: ItemRules): RegistrySnapshot {
  const problems: RegistryProblem[] = [...snapshot.problems]
  const workloads = new Map<string, Workload>()
  const dropped = new Set<string>()
  for (const workload of snapshot.workloads) {
    const checked = checkWorkload(workload, registry, rules)
    const reason = 'reason' in checked ? checked.reason : undefined
    if (workloads.has(workload.id)) {
      problems.push({ item: `workload ${shown(workload.id)}`, reason: 'another workload has the same id' })
    } else if ('workload' in checked) {
      const believed = rules.trustCallers || checked.workload.callers.length === 0
      workloads.set(workload.id, believed ? checked.workload : { ...checked.workload, callers: [] })
      if (!believed) problems.push({ item: `workload ${shown(workload.id)}`, reason: unbelieved })
    } else {
      dropped.add(workload.id)
      problems.push({ item: `workload ${shown(workload.id)}`, reason: reason ?? '' })
    }
  }
  const services = new Map<string, Service>()
  const usable = new Set(workloads.keys())
  for (const service of snapshot.services) {
    const key = serviceKey(service)
    const checked = checkService(service, usable, dropped, rules)
    for (const reason of checked.reasons) problems.push({ item: `service ${shown(key)}`, reason })
    if (checked.service === undefined) continue
    if (services.has(key)) problems.push({ item: `service ${shown(key)}`, reason: 'it is listed twice' })
    else services.set(key, checked.service)
  }
  return {
    services: [...services.values()],
    workloads: [...workloads.values()],
    problems: problems.length <= maxProblems ? problems : cut(problems),
  }
}

const unbelieved =
  'its callers are not believed: anybody who may write into this registry could name them; see trustCallers'

function cut(problems: readonly RegistryProblem[]): readonly RegistryProblem[] {
  const more = problems.length - maxProblems
  return [...problems.slice(0, maxProblems), { item: 'registry', reason: `${more} further problems are not listed` }]
}

function shown(key: string): string {
  return /^[\w./:-]{1,200}$/.test(key) ? key : quoted(key)
}
