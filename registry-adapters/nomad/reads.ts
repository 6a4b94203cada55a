import type { JsonObject } from '../json.ts'
import { objectOf } from '../json.ts'
import {
  answerObject,
  listOf,
  type NomadNode,
  type NomadRegistration,
  type NomadServiceName,
  parseAllocation,
  parseNode,
  parseRegistrations,
  parseServiceNames,
} from './answers.ts'
import { type CheckResult, parseCheckResults } from './check-results.ts'
import type { NomadAnswer, NomadClient, NomadQuery } from './client/client.ts'
import { failureOf, nomadError } from './client/errors.ts'
import type { KnownAllocation } from './cluster.ts'
import { parseJobGroup } from './job-group.ts'
import type { NomadAdapterSettings } from './options.ts'

/** What was read, and the index of its table then. */
export interface Indexed<T> {
  readonly index: number
  readonly value: T
}

/** The reads of the adapter. Each throws WEFT_REGISTRY_UNAVAILABLE where there is no answer that can be believed. */
export interface Reads {
  /** Names of all services; `namespace` may be `*`. */
  serviceNames(namespace: string, signal: AbortSignal): Promise<Indexed<readonly NomadServiceName[]>>
  /** All registrations of one service, as of `atLeast` or later. */
  service(name: NomadServiceName, atLeast: number, signal: AbortSignal): Promise<readonly NomadRegistration[]>
  /** Stubs of the allocations that may have registrations. */
  allocations(namespace: string, signal: AbortSignal): Promise<Indexed<readonly JsonObject[]>>
  /** The whole allocation with its job; undefined when there is none. */
  allocation(id: string, signal: AbortSignal): Promise<KnownAllocation | undefined>
  nodes(signal: AbortSignal): Promise<Indexed<readonly NomadNode[]>>
  /** With its meta; undefined when there is none. */
  node(id: string, signal: AbortSignal): Promise<NomadNode | undefined>
  checks(allocId: string, signal: AbortSignal): Promise<readonly CheckResult[]>
  /** Resolves to a table's index once it is another than `index`, or the wait is over; at once for index 0. */
  tableIndex(table: NomadTable, index: number, signal: AbortSignal): Promise<number>
}

/** The tables whose changes are waited for where there are no events. */
export type NomadTable = 'services' | 'allocations' | 'nodes'

/** A server that has not heard from its leader for longer is not believed. */
const maxLastContactMs = 60_000
/** What is registered is running, with few exceptions: those are read by their ids. */
const liveAllocations = 'ClientStatus == "running"'

/** Reads through the client, by the rules for answers that a server without its leader gives. */
export function createReads(client: NomadClient, settings: NomadAdapterSettings): Reads {
  const { stale, pace, namespaces } = settings

  const get = async (path: string, query: NomadQuery, signal: AbortSignal) =>
    believed(await client.get(path, query, signal), path)

  const list = async (path: string, query: NomadQuery, signal: AbortSignal) =>
    believed(await client.list(path, query, signal), path)

  return {
    async serviceNames(namespace, signal) {
      const path = '/v1/services'
      const { body, index } = await get(path, { namespace }, signal)
      return { index, value: parseServiceNames(body) }
    },
    async service({ namespace, service }, atLeast, signal) {
      const path = `/v1/service/${encodeURIComponent(service)}`
      const answer = await get(path, { namespace, stale }, signal)
      // A server that is not the leader may not have it yet, and nothing would say when it has.
      const late = stale && answer.index < atLeast
      return parseRegistrations((late ? await get(path, { namespace }, signal) : answer).body)
    },
    async allocations(namespace, signal) {
      const query = { namespace, filter: liveAllocations, params: { task_states: 'false' } }
      const { body, index } = await list('/v1/allocations', query, signal)
      return { index, value: listOf(body, 'allocations') }
    },
    allocation: (id, signal) =>
      found(async () => {
        const path = `/v1/allocation/${encodeURIComponent(id)}`
        const entry = answerObject((await get(path, {}, signal)).body, 'allocation')
        const allocation = parseAllocation(entry)
        const group = parseJobGroup(objectOf(entry.Job), allocation.group)
        if (group !== undefined) return { allocation, group }
        throw nomadError('bad-answer', 'an allocation has no job with its group', { allocation: id })
      }),
    async nodes(signal) {
      const { body, index } = await list('/v1/nodes', {}, signal)
      return { index, value: listOf(body, 'nodes').map(parseNode) }
    },
    node: (id, signal) =>
      found(async () => {
        const { body } = await get(`/v1/node/${encodeURIComponent(id)}`, {}, signal)
        return parseNode(answerObject(body, 'node'))
      }),
    async checks(allocId, signal) {
      return parseCheckResults(
        (await client.get(`/v1/allocation/${encodeURIComponent(allocId)}/checks`, {}, signal)).body,
      )
    },
    async tableIndex(table, index, signal) {
      const path = `/v1/${table}`
      const { read } = namespaces
      const namespace = read === '*' || read.length > 1 ? '*' : read[0]
      const all = table === 'nodes' || namespace === undefined ? {} : { namespace }
      // Only the index is of interest, so one item is enough of what comes in pages.
      const page = table === 'services' ? {} : { perPage: 1 }
      const answer = await client.get(path, { ...all, ...page, index, waitMs: pace.waitMs }, signal)
      listOf(answer.body, table)
      return believed(answer, path).index
    },
  }
}

/** Undefined for what Nomad does not have. */
async function found<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read()
  } catch (error) {
    if (failureOf(error) === 'not-found') return undefined
    throw error
  }
}

/** A server without a leader answers from whatever it has, even nothing. */
function believed<T extends NomadAnswer>(answer: T, path: string): T {
  if (!answer.knownLeader) throw nomadError('no-leader', 'the nomad server that answered has no leader', { path })
  if (answer.lastContactMs > maxLastContactMs) {
    const { lastContactMs } = answer
    throw nomadError('no-leader', 'the nomad server that answered has lost its leader', { path, lastContactMs })
  }
  return answer
}

/** Version of the job that an allocation runs, as its stub says. */
export function jobVersionOf(stub: JsonObject): number {
  return typeof stub.JobVersion === 'number' ? stub.JobVersion : -1
}
