import { isObject, items, type JsonObject, number, objectOf, stringMap, strings, text } from '../json.ts'
import { nomadError } from './client/errors.ts'

/** A service of Nomad by namespace and name. */
export interface NomadServiceName {
  readonly namespace: string
  readonly service: string
}

/** One registration of a service, as `/v1/service/<name>` and events tell it. */
export interface NomadRegistration extends NomadServiceName {
  /** Stable across changes of tags and promotions: only ever compared, as its parts may contain its separator. */
  readonly id: string
  readonly nodeId: string
  readonly datacenter: string
  readonly jobId: string
  readonly allocId: string
  readonly tags: readonly string[]
  /** An address, a name, anything; empty where the node's is meant. */
  readonly address: string
  /** 0 for a service without a port. */
  readonly port: number
}

/** How an allocation stands: what its stub in a list, an event, and the whole of it have in common. */
export interface NomadAllocation {
  readonly id: string
  readonly namespace: string
  readonly jobId: string
  readonly group: string
  readonly nodeId: string
  readonly nodeName: string
  /** `pending`, `running`, `complete`, `failed`, `lost`, `unknown`. */
  readonly clientStatus: string
  /** `run`, `stop`, `evict`. */
  readonly desiredStatus: string
  /** Its turn in a drain has come. */
  readonly migrate: boolean
  readonly canary: boolean
  /** What its deployment found; undefined while that is not decided, or without one. */
  readonly deploymentHealthy: boolean | undefined
  readonly modifyIndex: number
}

/** A node of the cluster. */
export interface NomadNode {
  readonly id: string
  readonly name: string
  readonly datacenter: string
  readonly pool: string
  readonly nodeClass: string
  /** Of its default network, or else that of its HTTP API. */
  readonly address: string
  /** `initializing`, `ready`, `down`, `disconnected`. */
  readonly status: string
  /** Undefined for one known from a list, which has none. */
  readonly meta: Readonly<Record<string, string>> | undefined
  readonly modifyIndex: number
}

/** Reads `/v1/services`: the names by namespace, those of one namespace each as an element. */
export function parseServiceNames(body: unknown): readonly NomadServiceName[] {
  return listOf(body, 'services').flatMap(entry => {
    const namespace = text(entry.Namespace)
    return items(entry.Services).map(item => ({ namespace, service: text(objectOf(item).ServiceName) }))
  })
}

/** Reads `/v1/service/<name>`. */
export function parseRegistrations(body: unknown): readonly NomadRegistration[] {
  return listOf(body, 'service').map(parseRegistration)
}

/** Reads one registration, also that of an event. */
export function parseRegistration(entry: JsonObject): NomadRegistration {
  return {
    id: text(entry.ID),
    namespace: text(entry.Namespace),
    service: text(entry.ServiceName),
    nodeId: text(entry.NodeID),
    datacenter: text(entry.Datacenter),
    jobId: text(entry.JobID),
    allocId: text(entry.AllocID),
    tags: strings(entry.Tags),
    address: text(entry.Address),
    port: number(entry.Port, 0),
  }
}

/** Reads a stub of `/v1/allocations`, the allocation of an event, or `/v1/allocation/<id>`. */
export function parseAllocation(entry: JsonObject): NomadAllocation {
  const deployment = objectOf(entry.DeploymentStatus)
  return {
    id: text(entry.ID),
    namespace: text(entry.Namespace),
    jobId: text(entry.JobID),
    group: text(entry.TaskGroup),
    nodeId: text(entry.NodeID),
    nodeName: text(entry.NodeName),
    clientStatus: text(entry.ClientStatus),
    desiredStatus: text(entry.DesiredStatus),
    migrate: objectOf(entry.DesiredTransition).Migrate === true,
    canary: deployment.Canary === true,
    deploymentHealthy: typeof deployment.Healthy === 'boolean' ? deployment.Healthy : undefined,
    modifyIndex: number(entry.ModifyIndex, 0),
  }
}

/** Reads a stub of `/v1/nodes`, the node of an event, or `/v1/node/<id>`; only a stub has an `Address`. */
export function parseNode(entry: JsonObject): NomadNode {
  const isStub = typeof entry.Address === 'string'
  const attributes = stringMap(entry.Attributes)
  return {
    id: text(entry.ID),
    name: text(entry.Name),
    datacenter: text(entry.Datacenter),
    pool: text(entry.NodePool),
    nodeClass: text(entry.NodeClass),
    address: isStub ? text(entry.Address) : (attributes['unique.network.ip-address'] ?? hostOf(text(entry.HTTPAddr))),
    status: text(entry.Status),
    meta: isStub ? undefined : stringMap(entry.Meta),
    modifyIndex: number(entry.ModifyIndex, 0),
  }
}

/** The objects of a list; throws WEFT_REGISTRY_UNAVAILABLE for another shape. */
export function listOf(body: unknown, read: string): readonly JsonObject[] {
  if (!Array.isArray(body) || !body.every(isObject)) throw nonsense(read)
  return body
}

/** The object; throws WEFT_REGISTRY_UNAVAILABLE for another shape. */
export function answerObject(body: unknown, read: string): JsonObject {
  if (!isObject(body)) throw nonsense(read)
  return body
}

function nonsense(read: string): Error {
  return nomadError('bad-answer', 'nomad answers with something of another shape', { read })
}

/** `10.0.0.1:4646` and `[fd00::1]:4646` without the port. */
function hostOf(hostPort: string): string {
  return hostPort.replace(/:\d+$/, '').replace(/^\[|\]$/g, '')
}
