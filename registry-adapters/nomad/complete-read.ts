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
import { readAllNames } from './rights.ts'

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

/** What complete reads leave for the next one. */
export interface ReadMemory {
  /** The highest indexes that have been seen; undefined before the first complete read. */
  floor: TableIndexes | undefined
  /** What was read by a complete read that failed later on: without it a large cluster might never be through. */
  readonly allocations: Map<string, KnownAllocation>
  readonly nodes: Map<string, NomadNode>
}

/** Nothing has been read yet. */
export function createReadMemory(): ReadMemory {
  return { floor: undefined, allocations: new Map(), nodes: new Map() }
}

/**
 * Reads everything, or throws WEFT_REGISTRY_UNAVAILABLE. What is known already and has not changed is not read again:
 * nodes, and jobs of allocations, unless an index has fallen, as after the restore of a snapshot: then the same numbers
 * may mean something else.
 */
export async function readEverything(
  cluster: Cluster,
  memory: ReadMemory,
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
  const fallen = memory.floor !== undefined && hasFallen(memory.floor, indexes)
  if (fallen) {
    memory.allocations.clear()
    memory.nodes.clear()
  }
  const known = fallen ? [memory] : [cluster, memory]
  const deps = { reads, settings, known, memory }
  const live = stubs.flatMap(({ value }) => value)
  const allocations = await joinAllocations(registrations, live, deps, signal)
  const nodes = await joinNodes(registrations, nodeList.value, deps, signal)
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
    return readAllNames(new Set([...cluster.services.values()].map(({ namespace }) => namespace)), reads, signal)
  }
  const lists = await mapBounded(read, settings.readQueries, (name, signal) => reads.serviceNames(name, signal), signal)
  return { index: lowest(lists), value: lists.flatMap(({ value }) => value) }
}

interface JoinDeps extends ReadDeps {
  /** Where to look for what need not be read again. */
  readonly known: readonly Pick<Cluster, 'allocations' | 'nodes'>[]
  readonly memory: ReadMemory
}

/**
 * The allocations of these registrations. Stubs have no job: it is read with one allocation of each version. Those that
 * are to stop are kept apart: they may be of a job of the same name that was purged, with versions of its own.
 */
async function joinAllocations(
  registrations: readonly NomadRegistration[],
  stubs: readonly JsonObject[],
  { reads, settings, known, memory }: JoinDeps,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, KnownAllocation>> {
  const joined = new Map<string, KnownAllocation>()
  const wanted = new Set(registrations.map(({ allocId }) => allocId))
  const byVersion = new Map<string, JsonObject[]>()
  const unlisted = new Set(wanted)
  for (const stub of stubs) {
    const id = text(stub.ID)
    if (!unlisted.delete(id)) continue
    const version = jobVersionOf(stub)
    const before = known.map(one => one.allocations.get(id)).find(one => one?.group.version === version)
    if (before !== undefined) joined.set(id, withStatus(before, stub))
    else group(byVersion, versionKey(stub), stub)
  }
  const readAll = (ids: readonly string[]) =>
    mapBounded(
      ids,
      settings.readQueries,
      async (id, signal) => {
        const one = await reads.allocation(id, signal)
        if (one === undefined) return
        memory.allocations.set(id, one)
        joined.set(id, one)
      },
      signal,
    )
  await readAll([...unlisted, ...[...byVersion.values()].flatMap(([first]) => text(first?.ID))])
  const unread: string[] = []
  for (const [first, ...others] of byVersion.values()) {
    const job: JobGroup | undefined = joined.get(text(first?.ID))?.group
    for (const stub of others) {
      if (job === undefined) unread.push(text(stub.ID))
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
  { reads, settings, known, memory }: JoinDeps,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, NomadNode>> {
  const same = (stub: NomadNode) =>
    known
      .map(one => one.nodes.get(stub.id))
      .find(node => node?.modifyIndex === stub.modifyIndex && node.meta !== undefined)
  const nodes = new Map(listed.map(stub => [stub.id, same(stub) ?? stub]))
  const wanted = new Set(registrations.map(({ nodeId }) => nodeId))
  await mapBounded(
    [...wanted].filter(id => nodes.get(id)?.meta === undefined),
    settings.readQueries,
    async (id, signal) => {
      const node = await reads.node(id, signal)
      if (node === undefined) return
      memory.nodes.set(id, node)
      nodes.set(id, node)
    },
    signal,
  )
  return nodes
}

function lowest(lists: readonly Indexed<unknown>[]): number {
  return Math.min(...lists.map(({ index }) => index))
}

function group<T>(groups: Map<string, T[]>, key: string, item: T): void {
  const members = groups.get(key)
  if (members === undefined) groups.set(key, [item])
  else members.push(item)
}
