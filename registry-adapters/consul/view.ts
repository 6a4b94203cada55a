import { emptySnapshot, type RegistrySnapshot } from '../../mesh/model/catalogue.ts'
import { type Service, serviceKey } from '../../mesh/model/service.ts'
import { sharing } from '../../mesh/model/sharing.ts'
import type { Workload } from '../../mesh/model/workload.ts'
import type { ConsulInstance } from './answers.ts'
import { createOwners } from './owners.ts'
import { createProblems } from './problems.ts'
import type { TranslateContext } from './translate-instance.ts'
import { type ServiceFragment, translateService } from './translate-service.ts'

/** What has been read of Consul so far, service by service. */
export interface View {
  /** Replaces what is known of one service; true when that shows. It costs what this service costs. */
  set(name: string, instances: readonly ConsulInstance[]): boolean
  /** Forgets every service that is not among these. */
  retain(names: { has(name: string): boolean }): void
  has(name: string): boolean
  /** Everything as one snapshot, or undefined when nothing that shows has changed since the last call. */
  takeChange(): RegistrySnapshot | undefined
}

const nothing: ServiceFragment = { services: [], workloads: [], problems: [], revisions: new Map() }

/** An empty view; its first change is a snapshot even when that is empty. */
export function createView(context: TranslateContext): View {
  const fragments = new Map<string, ServiceFragment>()
  const owners = createOwners()
  const problems = createProblems()
  let current: RegistrySnapshot = emptySnapshot
  let given: RegistrySnapshot | undefined

  /** A service as it shows: without the instances that a newer write has given to another service. */
  function shownServices(name: string): readonly Service[] {
    const own = (id: string) => owners.of(id) === name
    return (fragments.get(name) ?? nothing).services.map(service =>
      service.endpoints.every(({ workload }) => own(workload))
        ? service
        : { ...service, endpoints: service.endpoints.filter(({ workload }) => own(workload)) },
    )
  }

  function shownWorkload(id: string): Workload | undefined {
    const owner = fragments.get(owners.of(id) ?? '')
    return owner?.workloads.find(workload => workload.id === id)
  }

  /** Puts a fragment in the place of another and changes what that touches, in this service and its rivals. */
  function replace(name: string, after: ServiceFragment): boolean {
    const before = fragments.get(name) ?? nothing
    const ids = new Set([...before.revisions.keys(), ...after.revisions.keys()])
    const affected = new Set([name, ...owners.rivals(name, ids)])
    const keys = [...affected].flatMap(each => fragments.get(each)?.services ?? [])
    if (after === nothing) fragments.delete(name)
    else fragments.set(name, after)
    owners.claim(name, ids, after.revisions)
    const services = new Map<string, Service | undefined>(keys.map(service => [serviceKey(service), undefined]))
    for (const each of affected) for (const shown of shownServices(each)) services.set(serviceKey(shown), shown)
    const own = new Map(after.workloads.map(workload => [workload.id, workload]))
    const workloads = [...ids].map(id => [id, owners.of(id) === name ? own.get(id) : shownWorkload(id)] as const)
    const last = current
    current = sharing(last, {
      services: last.services.with(services),
      workloads: last.workloads.with(workloads),
      problems: problems.set(name, after.problems),
    })
    return current !== last
  }

  return {
    set: (name, instances) => replace(name, translateService(name, instances, context)),
    retain(names) {
      for (const name of [...fragments.keys()]) if (!names.has(name)) replace(name, nothing)
    },
    has: name => fragments.has(name),
    takeChange() {
      const view = sharing(given, current)
      if (view === given) return undefined
      current = view
      given = view
      return view
    },
  }
}
