import { isDeepStrictEqual } from 'node:util'
import { emptySnapshot, type RegistryProblem, type RegistrySnapshot } from '../../mesh/model/catalogue.ts'
import { type Service, serviceKey } from '../../mesh/model/service.ts'
import type { Workload } from '../../mesh/model/workload.ts'
import type { Table } from '../../mesh/std/table.ts'
import { firstLine, quoted } from '../quoted.ts'
import type { NomadRegistration } from './answers.ts'
import type { Cluster } from './cluster.ts'
import { meshNameOf, nodeNameOf } from './node-names.ts'
import {
  type InstanceFacts,
  type TranslateContext,
  type TranslatedInstance,
  translateInstance,
} from './translate-instance.ts'
import { translateService } from './translate-service.ts'

/** What the mesh is shown of a cluster. */
export interface View {
  /**
   * Translates the services of which something has changed; undefined when nothing that shows has. What says the same
   * as before is the same object.
   */
  update(cluster: Cluster): RegistrySnapshot | undefined
}

/** What one service of Nomad has become. */
interface Translated {
  readonly members: readonly TranslatedInstance[]
  readonly problems: readonly RegistryProblem[]
}

/** An empty view; its first update is a snapshot even when that is empty. */
export function createView(context: TranslateContext): View {
  const translated = new Map<string, readonly TranslatedInstance[]>()
  /** Services of Nomad by the service of the mesh that they are part of: several of one name may come together. */
  const parts = new Map<string, Map<string, readonly TranslatedInstance[]>>()
  /** Only of services that have any, by the key they were found under. */
  const problemLists = new Map<string, readonly RegistryProblem[]>()
  let problemsChanged = false
  let current: RegistrySnapshot | undefined

  /** Translates one service of Nomad; gives the services of the mesh that it was or is part of. */
  function retranslate(key: string, cluster: Cluster, workloads: Map<string, Workload | undefined>): Iterable<string> {
    const before = translated.get(key) ?? []
    const now = translateOne(key, cluster, context)
    for (const { workload } of before) workloads.set(workload.id, undefined)
    for (const { workload } of now.members) workloads.set(workload.id, workload)
    if (now.members.length === 0) translated.delete(key)
    else translated.set(key, now.members)
    setProblems(`nomad ${key}`, now.problems)
    const touched = new Set([...before, ...now.members].map(({ workload }) => serviceKey(workload)))
    const byMesh = Map.groupBy(now.members, ({ workload }) => serviceKey(workload))
    for (const meshKey of touched) setPart(meshKey, key, byMesh.get(meshKey))
    return touched
  }

  function setProblems(key: string, problems: readonly RegistryProblem[]): void {
    if (isDeepStrictEqual(problemLists.get(key) ?? [], problems)) return
    problemsChanged = true
    if (problems.length === 0) problemLists.delete(key)
    else problemLists.set(key, problems)
  }

  function setPart(meshKey: string, key: string, members: readonly TranslatedInstance[] | undefined): void {
    const of = parts.get(meshKey) ?? new Map<string, readonly TranslatedInstance[]>()
    if (members === undefined) of.delete(key)
    else of.set(key, members)
    if (of.size === 0) parts.delete(meshKey)
    else parts.set(meshKey, of)
  }

  function joined(meshKey: string): Service | undefined {
    const members = [...(parts.get(meshKey)?.values() ?? [])].flat()
    const [first] = members
    if (first === undefined) {
      setProblems(`mesh ${meshKey}`, [])
      return undefined
    }
    const { service, problems } = translateService(first.workload.namespace, first.workload.name, members)
    setProblems(`mesh ${meshKey}`, problems)
    return service
  }

  return {
    update(cluster) {
      const before = current ?? emptySnapshot
      const workloadChanges = new Map<string, Workload | undefined>()
      const touched = new Set<string>()
      for (const key of cluster.takeDirty()) {
        for (const meshKey of retranslate(key, cluster, workloadChanges)) touched.add(meshKey)
      }
      const workloads = changed(before.workloads, workloadChanges)
      const services = changed(before.services, new Map([...touched].map(key => [key, joined(key)])))
      const same = workloads === before.workloads && services === before.services && !problemsChanged
      if (same && current !== undefined) return undefined
      const problems = problemsChanged ? [...problemLists.values()].flat().sort(byItem) : before.problems
      problemsChanged = false
      current = { services, workloads, problems }
      return current
    },
  }
}

/** The table with these values, of which those that say the same as before are left alone. */
function changed<T>(table: Table<T>, changes: ReadonlyMap<string, T | undefined>): Table<T> {
  return table.with([...changes].filter(([key, value]) => !isDeepStrictEqual(table.get(key), value)))
}

function translateOne(key: string, cluster: Cluster, context: TranslateContext): Translated {
  const members = new Map<string, TranslatedInstance>()
  const problems: RegistryProblem[] = []
  for (const registration of [...(cluster.services.get(key)?.registrations ?? [])].sort(byId)) {
    const { namespace, jobId, allocId, service } = registration
    const complain = (reason: string) =>
      void problems.push({
        item: firstLine(`${namespace}/${jobId}/${allocId}`),
        reason: `service ${quoted(service)}: ${reason}`,
      })
    const { instance, reasons } = translateInstance(registration, factsOf(registration, cluster), context)
    for (const reason of reasons) complain(reason)
    if (instance === undefined) continue
    if (members.has(instance.workload.id)) complain('it is registered twice, the first one is used')
    else members.set(instance.workload.id, instance)
  }
  return { members: [...members.values()], problems }
}

function factsOf(registration: NomadRegistration, cluster: Cluster): InstanceFacts | { readonly reason: string } {
  const { allocId, nodeId } = registration
  const known = cluster.allocations.get(allocId)
  const node = cluster.nodes.get(nodeId)
  if (known === undefined) return { reason: `nomad does not have its allocation ${quoted(allocId)}` }
  if (node === undefined) return { reason: `nomad does not have its node ${quoted(nodeId)}` }
  const nodeName = nodeNameOf(node, cluster.nodesCalled(meshNameOf(node)))
  return { ...known, node, nodeName, checks: cluster.checksOf(allocId) }
}

function byId(a: NomadRegistration, b: NomadRegistration): number {
  return compare(a.id, b.id)
}

function byItem(a: RegistryProblem, b: RegistryProblem): number {
  return compare(a.item, b.item) || compare(a.reason, b.reason)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
