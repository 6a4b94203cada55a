import type { NomadAllocation, NomadNode, NomadRegistration, NomadServiceName } from './answers.ts'
import type { CheckResult } from './check-results.ts'
import type { JobGroup } from './job-group.ts'
import { meshNameOf } from './node-names.ts'

/** An allocation with what its job says of its group. */
export interface KnownAllocation {
  readonly allocation: NomadAllocation
  readonly group: JobGroup
}

/** What has been read of Nomad at one time. */
export interface ClusterContent {
  readonly services: ReadonlyMap<string, ServiceContent>
  readonly allocations: ReadonlyMap<string, KnownAllocation>
  readonly nodes: ReadonlyMap<string, NomadNode>
}

export interface ServiceContent extends NomadServiceName {
  readonly registrations: readonly NomadRegistration[]
}

/** Everything known of a Nomad cluster, and which of its services have to be translated anew. */
export interface Cluster {
  readonly services: ReadonlyMap<string, ServiceContent>
  readonly allocations: ReadonlyMap<string, KnownAllocation>
  readonly nodes: ReadonlyMap<string, NomadNode>
  /** Nodes that have a name in the mesh. */
  nodesCalled(name: string): readonly NomadNode[]
  checksOf(allocId: string): readonly CheckResult[] | undefined
  /** Replaces everything but the results of checks. */
  replace(content: ClusterContent): void
  /** Puts in what has been read anew; a service without registrations goes, and allocations that nobody names with it. */
  merge(content: ClusterContent): void
  /** Results that are not known any more are undefined. */
  setChecks(allocId: string, results: readonly CheckResult[] | undefined): void
  /** Keys of services of which anything has changed since the last call. */
  takeDirty(): ReadonlySet<string>
}

/** `<namespace>/<name>` of a service of Nomad. */
export function nomadServiceKey({ namespace, service }: NomadServiceName): string {
  return `${namespace}/${service}`
}

/** A cluster of which nothing is known. */
export function createCluster(): Cluster {
  const services = new Map<string, ServiceContent>()
  const allocations = new Map<string, KnownAllocation>()
  const nodes = new Map<string, NomadNode>()
  const checks = new Map<string, readonly CheckResult[]>()
  const byAllocation = createIndex()
  const byNode = createIndex()
  const nodesByName = createIndex()
  let dirty = new Set<string>()

  function taint(keys: Iterable<string>): void {
    for (const key of keys) dirty.add(key)
  }

  function setService(key: string, content: ServiceContent | undefined): void {
    taint([key])
    const before = services.get(key)?.registrations ?? []
    for (const { allocId, nodeId } of before) {
      byAllocation.remove(allocId, key)
      byNode.remove(nodeId, key)
    }
    if (content === undefined || content.registrations.length === 0) services.delete(key)
    else services.set(key, content)
    for (const { allocId, nodeId } of content?.registrations ?? []) {
      byAllocation.add(allocId, key)
      byNode.add(nodeId, key)
    }
    for (const { allocId } of before) {
      if (byAllocation.of(allocId).size > 0) continue
      allocations.delete(allocId)
      checks.delete(allocId)
    }
  }

  function setAllocation(id: string, known: KnownAllocation | undefined): void {
    if (known === undefined) allocations.delete(id)
    else if (byAllocation.of(id).size > 0) allocations.set(id, known)
    taint(byAllocation.of(id))
  }

  /** A node that takes or leaves a name changes how the others of that name are judged. */
  function setNode(id: string, node: NomadNode | undefined): void {
    const before = nodes.get(id)
    if (before !== undefined) nodesByName.remove(meshNameOf(before), id)
    if (node === undefined) nodes.delete(id)
    else nodes.set(id, node)
    if (node !== undefined) nodesByName.add(meshNameOf(node), id)
    for (const one of [before, node]) {
      if (one !== undefined) for (const other of nodesByName.of(meshNameOf(one))) taint(byNode.of(other))
    }
    taint(byNode.of(id))
  }

  function merge(content: ClusterContent): void {
    for (const [id, node] of content.nodes) if (nodes.get(id) !== node) setNode(id, node)
    for (const [key, service] of content.services) setService(key, service)
    for (const [id, known] of content.allocations) if (allocations.get(id) !== known) setAllocation(id, known)
  }

  return {
    services,
    allocations,
    nodes,
    nodesCalled: name => [...nodesByName.of(name)].flatMap(id => nodes.get(id) ?? []),
    checksOf: allocId => checks.get(allocId),
    replace(content) {
      for (const key of [...services.keys()]) if (!content.services.has(key)) setService(key, undefined)
      for (const id of [...nodes.keys()]) if (!content.nodes.has(id)) setNode(id, undefined)
      for (const id of [...allocations.keys()]) if (!content.allocations.has(id)) setAllocation(id, undefined)
      merge(content)
    },
    merge,
    setChecks(allocId, results) {
      if (byAllocation.of(allocId).size === 0) return
      if (results === undefined) checks.delete(allocId)
      else checks.set(allocId, results)
      taint(byAllocation.of(allocId))
    },
    takeDirty() {
      const taken = dirty
      dirty = new Set()
      return taken
    },
  }
}

/** Sets of texts by a text. */
interface Index {
  add(key: string, member: string): void
  remove(key: string, member: string): void
  of(key: string): ReadonlySet<string>
}

const none: ReadonlySet<string> = new Set()

function createIndex(): Index {
  const sets = new Map<string, Set<string>>()
  return {
    add(key, member) {
      const set = sets.get(key)
      if (set === undefined) sets.set(key, new Set([member]))
      else set.add(member)
    },
    remove(key, member) {
      const set = sets.get(key)
      set?.delete(member)
      if (set?.size === 0) sets.delete(key)
    },
    of: key => sets.get(key) ?? none,
  }
}
