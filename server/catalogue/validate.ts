import { emptySnapshot, type RegistryProblem, type RegistrySnapshot } from '../../mesh/model/catalogue.ts'
import { type Service, serviceKey } from '../../mesh/model/service.ts'
import { changed } from '../../mesh/model/sharing.ts'
import type { Workload } from '../../mesh/model/workload.ts'
import { changedKeys } from '../../mesh/std/table.ts'
import { quoted } from './address-check.ts'
import { checkService } from './check-service.ts'
import { checkWorkload, type ItemRules } from './check-workload.ts'
import { bounded, createProblemList } from './problem-list.ts'
import { createReferences } from './references.ts'

/**
 * Judges everything a registry says, item by item, whatever its adapter has already checked: registries lie, and what
 * passes here is routed to. A bad item is left out by name; all others stay. The function returned is called with each
 * view of the registry in turn and looks only at what differs from the one before.
 */
export function createValidator(registry: string, rules: ItemRules): (view: RegistrySnapshot) => RegistrySnapshot {
  const problems = createProblemList()
  const users = createReferences()
  let seen = emptySnapshot
  let valid = emptySnapshot
  let listed: readonly RegistryProblem[] = []

  const judgeWorkload = (id: string, workload: Workload | undefined): Workload | undefined => {
    const item = `workload ${shown(id)}`
    const judged = workload === undefined ? { reasons: [] } : judge(id, workload, registry, rules)
    problems.set(
      `workload ${id}`,
      judged.reasons.map(reason => ({ item, reason })),
    )
    return judged.workload
  }

  const judgeService = (key: string, next: RegistrySnapshot, workloads: RegistrySnapshot['workloads']) => {
    const service = next.services.get(key)
    users.set(key, service?.endpoints.map(endpoint => endpoint.workload) ?? [])
    const known = { usable: (id: string) => workloads.has(id), listed: (id: string) => next.workloads.has(id) }
    const checked: { readonly service?: Service; readonly reasons: readonly string[] } =
      service === undefined
        ? { reasons: [] }
        : serviceKey(service) === key
          ? checkService(service, known, rules)
          : { reasons: [`it is listed as ${quoted(key)} and calls itself ${quoted(serviceKey(service))}`] }
    problems.set(
      `service ${key}`,
      checked.reasons.map(reason => ({ item: `service ${shown(key)}`, reason })),
    )
    return checked.service
  }

  return next => {
    const ids = changedKeys(seen.workloads, next.workloads)
    const workloads = valid.workloads.with(ids.map(id => [id, judgeWorkload(id, next.workloads.get(id))]))
    const services = new Set(changedKeys(seen.services, next.services))
    for (const id of ids) {
      const [had, has] = [valid.workloads.has(id), workloads.has(id)]
      // whether it is listed matters too: only what nobody lists is complained about
      const same = had === has && seen.workloads.has(id) === next.workloads.has(id)
      if (!same) for (const key of users.ownersOf(id)) services.add(key)
    }
    const judged = [...services].map(key => [key, judgeService(key, next, workloads)] as const)
    const before = valid
    if (next.problems !== seen.problems || problems.all !== listed) {
      listed = problems.all
      valid = { ...valid, problems: bounded([...next.problems, ...listed]) }
    }
    valid = changed(before, { workloads, services: valid.services.with(judged), problems: valid.problems })
    seen = next
    return valid
  }
}

const unbelieved = (what: string) =>
  `its ${what} not believed: anybody who may write into this registry could say that; see trustCallers`

function judge(
  id: string,
  workload: Workload,
  registry: string,
  rules: ItemRules,
): { readonly workload?: Workload; readonly reasons: readonly string[] } {
  if (workload.id !== id) return { reasons: [`it is listed under another id than its own, ${quoted(workload.id)}`] }
  const checked = checkWorkload(workload, registry, rules)
  if ('reason' in checked) return { reasons: [checked.reason] }
  if (rules.trustCallers) return { workload: checked.workload, reasons: [] }
  const { probe, ...rest } = checked.workload
  const reasons = [
    ...(rest.callers.length > 0 ? [unbelieved('callers are')] : []),
    ...(probe !== undefined ? [unbelieved('health check is')] : []),
  ]
  return reasons.length === 0
    ? { workload: checked.workload, reasons }
    : { workload: { ...rest, callers: [] }, reasons }
}

function shown(key: string): string {
  return /^[\w./:-]{1,200}$/.test(key) ? key : quoted(key)
}
