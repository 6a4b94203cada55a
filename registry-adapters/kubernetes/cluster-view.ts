import { isDeepStrictEqual } from 'node:util'
import type { RegistrySnapshot } from '../../mesh/model/catalogue.ts'
import type { Endpoint, Service } from '../../mesh/model/service.ts'
import type { Workload } from '../../mesh/model/workload.ts'
import { tableOf } from '../../mesh/std/table.ts'
import type { KubeNode, KubePod, KubeService, KubeSlice, ObjectKey } from './objects.ts'
import { createProblemBook } from './problem-book.ts'
import {
  emptyFragment,
  type ServiceFragment,
  type Target,
  type TranslateContext,
  translateService,
  workloadIdsOf,
} from './translate-service.ts'
import { translateWorkload } from './translate-workload.ts'

/** What has been read of the cluster's own objects, as services and workloads. */
export interface ClusterView {
  /** Takes an object as it is now; undefined: it is gone. */
  service(key: ObjectKey, service: KubeService | undefined): void
  slice(key: ObjectKey, slice: KubeSlice | undefined): void
  pod(key: ObjectKey, pod: KubePod | undefined): void
  node(key: ObjectKey, node: KubeNode | undefined): void
  /** Works on what has changed, so much at once that others are not kept waiting; true while there is more to do. */
  work(): boolean
  /** The view with everything taken so far; the same object when nothing that shows has changed. */
  take(): RegistrySnapshot
}

/** Endpoints and workloads of one piece of work: some milliseconds. */
const workAtOnce = 500

/** An empty view. A change costs what it touches: a pod its workloads, and its services when it comes or goes. */
export function createClusterView(context: TranslateContext): ClusterView {
  const services = new Map<ObjectKey, KubeService>()
  /** By the key of their Service. */
  const slices = createGroups<KubeSlice>()
  const sliceOwners = new Map<ObjectKey, ObjectKey>()
  const pods = new Map<ObjectKey, KubePod>()
  const nodes = new Map<string, KubeNode>()
  const fragments = new Map<ObjectKey, ServiceFragment>()
  /** By pod: the Services that name it. */
  const servicesOfPod = createGroups<true>()
  /** By workload id, then by Service. */
  const targets = createGroups<Target>()
  /** By node: ids of the workloads there; and the other way round. */
  const workloadsOfNode = createGroups<true>()
  const nodeOfWorkload = new Map<string, string>()
  /** Ids of workloads that cannot be used: no endpoint names them. */
  const unusable = new Set<string>()
  const problems = createProblemBook()
  const staleServices = new Set<ObjectKey>()
  const staleWorkloads = new Set<string>()
  /** What will be shown with the next view. */
  const serviceNews = new Set<ObjectKey>()
  const workloadNews = new Map<string, Workload | undefined>()
  let view: RegistrySnapshot = { services: tableOf(), workloads: tableOf(), problems: problems.list() }

  /** Brings the fragment of a Service up to date, and says which workloads that touches. */
  function retranslate(key: ObjectKey): void {
    const service = services.get(key)
    const before = fragments.get(key) ?? emptyFragment
    const podOf = (pod: ObjectKey) => pods.get(pod)
    const now = service === undefined ? emptyFragment : translateService(service, slices.of(key), podOf, context)
    setOrDelete(fragments, key, service === undefined ? undefined : now)
    problems.set(`service ${key}`, now.problems)
    for (const pod of before.pods) if (!now.pods.has(pod)) servicesOfPod.remove(pod, key)
    for (const pod of now.pods) servicesOfPod.set(pod, key, true)
    for (const id of before.targets.keys()) {
      if (now.targets.has(id)) continue
      targets.remove(id, key)
      staleWorkloads.add(id)
    }
    for (const [id, target] of now.targets) {
      const old = before.targets.get(id)
      targets.set(id, key, target)
      // the version moves with every change of the slice, and only matters where two Services differ
      const shared = targets.of(id).length > 1
      if (shared || old === undefined || !saysTheSame(old, target)) staleWorkloads.add(id)
    }
  }

  /** The workload as it is now; a Service has to be shown anew when one of its workloads becomes usable or stops being so. */
  function rework(id: string): Workload | undefined {
    const [first, ...more] = targets.of(id)
    place(id, first?.node ?? '')
    if (first === undefined) {
      problems.set(`workload ${id}`, [])
      unusable.delete(id)
      return undefined
    }
    const [namespace = ''] = id.slice(context.registry.length + 1).split('/')
    const pod = first.pod === undefined ? undefined : pods.get(first.pod)
    const nodeOf = (name: string) => nodes.get(name)
    const made = translateWorkload({ id, namespace, targets: [first, ...more], pod, nodeOf }, context)
    const item = first.pod === undefined ? `endpoint ${namespace}/${first.address}` : `Pod ${first.pod}`
    problems.set(
      `workload ${id}`,
      made.reasons.map(reason => ({ item, reason })),
    )
    if (unusable.has(id) !== (made.workload === undefined)) {
      if (made.workload === undefined) unusable.add(id)
      else unusable.delete(id)
      for (const service of targets.keys(id)) serviceNews.add(service)
    }
    const shown = view.workloads.get(id)
    return isDeepStrictEqual(shown, made.workload) ? shown : made.workload
  }

  function place(id: string, node: string): void {
    const before = nodeOfWorkload.get(id) ?? ''
    if (before === node) return
    if (before !== '') workloadsOfNode.remove(before, id)
    if (node !== '') workloadsOfNode.set(node, id, true)
    setOrDelete(nodeOfWorkload, id, node === '' ? undefined : node)
  }

  function show(key: ObjectKey): Service | undefined {
    const service = fragments.get(key)?.service
    if (service === undefined) return undefined
    const endpoints = service.endpoints.filter(endpoint => !unusable.has(endpoint.workload))
    const now = endpoints.length === service.endpoints.length ? service : { ...service, endpoints }
    const shown = view.services.get(key)
    return shown !== undefined && sameService(shown, now) ? shown : now
  }

  function work(): boolean {
    let done = 0
    for (const key of staleServices) {
      if (done >= workAtOnce) return true
      staleServices.delete(key)
      retranslate(key)
      serviceNews.add(key)
      done += 1 + (fragments.get(key)?.targets.size ?? 0)
    }
    for (const id of staleWorkloads) {
      if (done >= workAtOnce) return true
      staleWorkloads.delete(id)
      workloadNews.set(id, rework(id))
      done += 1
    }
    return false
  }

  return {
    service(key, service) {
      setOrDelete(services, key, service)
      staleServices.add(key)
    },
    slice(key, slice) {
      const owner = slice === undefined ? undefined : `${slice.namespace}/${slice.service}`
      const before = sliceOwners.get(key)
      if (before !== undefined && before !== owner) {
        slices.remove(before, key)
        staleServices.add(before)
      }
      setOrDelete(sliceOwners, key, owner)
      if (owner === undefined || slice === undefined) return
      slices.set(owner, key, slice)
      staleServices.add(owner)
    },
    pod(key, pod) {
      const before = pods.get(key)
      setOrDelete(pods, key, pod)
      const moved = !isDeepStrictEqual(before?.addresses, pod?.addresses)
      if (moved || (before === undefined) !== (pod === undefined))
        for (const service of servicesOfPod.keys(key)) staleServices.add(service)
      for (const id of workloadIdsOf(context.registry, key)) if (targets.has(id)) staleWorkloads.add(id)
    },
    node(key, node) {
      setOrDelete(nodes, key, node)
      for (const id of workloadsOfNode.keys(key)) staleWorkloads.add(id)
    },
    work,
    take() {
      while (work()) {}
      const changedServices = [...serviceNews].map(key => [key, show(key)] as const)
      const changedWorkloads = [...workloadNews]
      serviceNews.clear()
      workloadNews.clear()
      const next = {
        services: view.services.with(changedServices),
        workloads: view.workloads.with(changedWorkloads),
        problems: problems.list(),
      }
      if (!same(next, view)) view = next
      return view
    },
  }
}

function same(a: RegistrySnapshot, b: RegistrySnapshot): boolean {
  return a.services === b.services && a.workloads === b.workloads && a.problems === b.problems
}

/** But for the version. By hand, as there are many of them at each change of a large Service. */
function saysTheSame(a: Target, b: Target): boolean {
  const same = a.address === b.address && a.health === b.health && a.healthReason === b.healthReason
  return same && a.pod === b.pod && a.node === b.node && a.zone === b.zone && a.service === b.service
}

function sameService({ endpoints, ...a }: Service, { endpoints: others, ...b }: Service): boolean {
  if (endpoints.length !== others.length || !isDeepStrictEqual(a, b)) return false
  return endpoints.every((one, at) => {
    const other = others[at]
    return other !== undefined && one.workload === other.workload && samePorts(one.ports, other.ports)
  })
}

function samePorts(a: Endpoint['ports'], b: Endpoint['ports']): boolean {
  if (a === b) return true
  const names = Object.keys(a)
  return names.length === Object.keys(b).length && names.every(name => a[name] === b[name])
}

function setOrDelete<V>(map: Map<string, V>, key: string, value: V | undefined): void {
  if (value === undefined) map.delete(key)
  else map.set(key, value)
}

/** Maps of maps, without empty ones. */
function createGroups<V>() {
  const groups = new Map<string, Map<string, V>>()
  return {
    has: (group: string): boolean => groups.has(group),
    of: (group: string): readonly V[] => [...(groups.get(group)?.values() ?? [])],
    keys: (group: string): readonly string[] => [...(groups.get(group)?.keys() ?? [])],
    set(group: string, key: string, value: V): void {
      const members = groups.get(group)
      if (members === undefined) groups.set(group, new Map([[key, value]]))
      else members.set(key, value)
    },
    remove(group: string, key: string): void {
      const members = groups.get(group)
      members?.delete(key)
      if (members?.size === 0) groups.delete(group)
    },
  }
}
