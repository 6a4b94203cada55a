import { type JsonObject, text } from '../json.ts'
import { type NomadNode, type NomadRegistration, type NomadServiceName, parseAllocation } from './answers.ts'
import { mapBounded } from './bounded.ts'
import {
  type Cluster,
  type ClusterContent,
  type KnownAllocation,
  nomadServiceKey,
  type ServiceContent,
} from './cluster.ts'
import type { JobGroup } from './job-group.ts'
import type { NomadAdapterSettings } from './options.ts'
import { type Indexed, jobVersionOf, type Reads } from './reads.ts'
import { checkMissing } from './rights.ts'

/** `X-Nomad-Index` of the lists of a complete read. */
export interface TableIndexes {
  readonly services: number
  readonly allocations: number
  readonly nodes: number
}

export interface ReadDeps {
  readonly reads: Reads
  readonly settings: NomadAdapterSettings
}

/**
 * Reads everything, or throws WEFT_REGISTRY_UNAVAILABLE. What is known already and has not changed is not read again:
 * nodes, and jobs of allocations, unless an index has fallen (`floor` are those of the last time), as after the restore
 * of a snapshot: then the same numbers may mean something else.
 */
export async function readEverything(
  cluster: Cluster,
  floor: TableIndexes | undefined,
  { reads, settings }: ReadDeps,
  signal: AbortSignal,
): Promise<{ readonly content: ClusterContent; readonly indexes: TableIndexes }> {
  const { namespaces, readQueries } = settings
  const names = await readNames(cluster, { reads, settings }, signal)
  const services = await mapBounded(
    names.value,
    readQueries,
    async (name, signal): Promise<ServiceContent> => {
      return { ...name, registrations: await reads.service(name, names.index, signal) }
    },
    signal,
  )
  const registrations = services.flatMap(service => service.registrations)
  const lists = namespaces.read === '*' ? ['*'] : namespaces.read
  const stubs = await mapBounded(
    lists,
    readQueries,
    (namespace, signal) => reads.allocations(namespace, signal),
    signal,
  )
  const nodeList = await reads.nodes(signal)
  const indexes = { services: names.index, allocations: lowest(stubs), nodes: nodeList.index }
  const known = floor !== undefined && hasFallen(floor, indexes) ? undefined : cluster
  const allocations = await joinAllocations(
    registrations,
    stubs.flatMap(({ value }) => value),
    known,
    { reads, settings },
    signal,
  )
  const nodes = await joinNodes(registrations, nodeList.value, known, { reads, settings }, signal)
  const content = {
    services: new Map(services.map(service => [nomadServiceKey(service), service])),
    allocations,
    nodes,
  }
  return { content, indexes }
}

/** Whether the state behind the later indexes is not a later one. */
export function hasFallen(earlier: TableIndexes, later: TableIndexes): boolean {
  return tables.some(table => later[table] < earlier[table])
}

const tables = ['services', 'allocations', 'nodes'] as const

async function readNames(
  cluster: Cluster,
  { reads, settings }: ReadDeps,
  signal: AbortSignal,
): Promise<Indexed<readonly NomadServiceName[]>> {
  const { read } = settings.namespaces
  if (read === '*') {
    const names = await reads.serviceNames('*', signal)
    const known = new Set([...cluster.services.values()].map(({ namespace }) => namespace))
    await checkMissing(known, names.value, reads, signal)
    return names
  }
  const lists = await mapBounded(read, settings.readQueries, (name, signal) => reads.serviceNames(name, signal), signal)
  return { index: lowest(lists), value: lists.flatMap(({ value }) => value) }
}

/**
 * The allocations of these registrations. Stubs have no job: it is read with one allocation of each version. Those that
 * are to stop are kept apart: they may be of a job of the same name that was purged, with versions of its own.
 */
async function joinAllocations(
  registrations: readonly NomadRegistration[],
  stubs: readonly JsonObject[],
  known: Cluster | undefined,
  deps: ReadDeps,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, KnownAllocation>> {
  const joined = new Map<string, KnownAllocation>()
  const wanted = new Set(registrations.map(({ allocId }) => allocId))
  const byVersion = new Map<string, JsonObject[]>()
  const unlisted = new Set(wanted)
  for (const stub of stubs) {
    const id = text(stub.ID)
    if (!unlisted.delete(id)) continue
    const before = known?.allocations.get(id)
    if (before?.group.version === jobVersionOf(stub)) joined.set(id, withStatus(before, stub))
    else group(byVersion, versionKey(stub), stub)
  }
  const readAll = async (ids: Iterable<string>) => {
    const read = await mapBounded(
      ids,
      deps.settings.readQueries,
      (id, signal) => deps.reads.allocation(id, 0, signal),
      signal,
    )
    for (const one of read) if (one !== undefined) joined.set(one.allocation.id, one)
  }
  await readAll([...unlisted, ...[...byVersion.values()].flatMap(([first]) => text(first?.ID))])
  const unread = new Set<string>()
  for (const [first, ...others] of byVersion.values()) {
    const job: JobGroup | undefined = joined.get(text(first?.ID))?.group
    for (const stub of others) {
      if (job === undefined) unread.add(text(stub.ID))
      else joined.set(text(stub.ID), { allocation: parseAllocation(stub), group: job })
    }
  }
  await readAll(unread)
  return joined
}

function withStatus(before: KnownAllocation, stub: JsonObject): KnownAllocation {
  const allocation = parseAllocation(stub)
  return allocation.modifyIndex === before.allocation.modifyIndex ? before : { ...before, allocation }
}

function versionKey(stub: JsonObject): string {
  const { Namespace, JobID, TaskGroup, DesiredStatus } = stub
  return JSON.stringify([Namespace, JobID, TaskGroup, DesiredStatus, jobVersionOf(stub)])
}

/** All nodes, those that have registrations with their meta. */
async function joinNodes(
  registrations: readonly NomadRegistration[],
  listed: readonly NomadNode[],
  known: Cluster | undefined,
  { reads, settings }: ReadDeps,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, NomadNode>> {
  const nodes = new Map(listed.map(node => [node.id, sameNode(known, node)]))
  const wanted = new Set(registrations.map(({ nodeId }) => nodeId))
  const unread = [...wanted].filter(id => nodes.get(id)?.meta === undefined)
  for (const node of await mapBounded(unread, settings.readQueries, (id, signal) => reads.node(id, signal), signal)) {
    if (node !== undefined) nodes.set(node.id, node)
  }
  return nodes
}

function sameNode(known: Cluster | undefined, stub: NomadNode): NomadNode {
  const before = known?.nodes.get(stub.id)
  return before?.modifyIndex === stub.modifyIndex ? before : stub
}

function lowest(lists: readonly Indexed<unknown>[]): number {
  return Math.min(...lists.map(({ index }) => index))
}

function group<T>(groups: Map<string, T[]>, key: string, item: T): void {
  const members = groups.get(key)
  if (members === undefined) groups.set(key, [item])
  else members.push(item)
}
