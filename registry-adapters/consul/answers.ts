import { MeshError } from '../../mesh/std/errors.ts'
import { isObject, type JsonObject, number, objectOf, stringMap, strings, text } from '../json.ts'

/** A node of Consul's catalogue. */
export interface ConsulNode {
  readonly name: string
  readonly address: string
  readonly datacenter: string
  readonly meta: Readonly<Record<string, string>>
  /** Further addresses by tag: `lan`, `wan`, `lan_ipv6`. */
  readonly taggedAddresses: Readonly<Record<string, string>>
}

/** An address of an instance; the port is 0 where none is said. */
export interface TaggedAddress {
  readonly address: string
  readonly port: number
}

export type CheckStatus = 'passing' | 'warning' | 'critical'

/** A health check of a node, or of one service instance on it. */
export interface ConsulCheck {
  readonly node: string
  readonly id: string
  readonly name: string
  /** Anything but the three known statuses counts as critical. */
  readonly status: CheckStatus
  /** Empty for a check of the node as a whole. */
  readonly service: string
  /** What the check said last: its first line, bounded. For maintenance the reason stands in the notes instead. */
  readonly output: string
  readonly notes: string
}

/** One registered instance of a service, as `/v1/health/service/<name>` tells it. */
export interface ConsulInstance {
  readonly node: ConsulNode
  readonly id: string
  /** Empty for an ordinary service; else `connect-proxy`, `mesh-gateway` and the like. */
  readonly kind: string
  /** Empty when it is the node's. */
  readonly address: string
  readonly port: number
  /** Further addresses by tag: `lan`, `wan`, `virtual`. */
  readonly taggedAddresses: Readonly<Record<string, TaggedAddress>>
  readonly tags: readonly string[]
  /** Consul Enterprise's; empty elsewhere. */
  readonly namespace: string
  readonly partition: string
  readonly meta: Readonly<Record<string, string>>
  readonly weights: { readonly passing: number; readonly warning: number }
  readonly checks: readonly ConsulCheck[]
  /** Raft index of the last write to the instance: the larger one is the newer. */
  readonly modifyIndex: number
}

/** Reads `/v1/catalog/services`: names with their tags. Throws WEFT_REGISTRY_UNAVAILABLE for another shape. */
export function parseServiceNames(body: unknown): ReadonlyMap<string, readonly string[]> {
  if (!isObject(body)) throw nonsense('services')
  return new Map(Object.entries(body).map(([name, tags]) => [name, strings(tags)]))
}

/** Reads `/v1/catalog/nodes`. Throws WEFT_REGISTRY_UNAVAILABLE for another shape. */
export function parseNodes(body: unknown): readonly ConsulNode[] {
  if (!Array.isArray(body)) throw nonsense('nodes')
  return body.map(entry => parseNode(objectOf(entry)))
}

/** Reads `/v1/health/state/<status>`. Throws WEFT_REGISTRY_UNAVAILABLE for another shape. */
export function parseChecks(body: unknown): readonly ConsulCheck[] {
  if (!Array.isArray(body)) throw nonsense('checks')
  return body.map(parseCheck)
}

/** Reads `/v1/health/service/<name>`. Throws WEFT_REGISTRY_UNAVAILABLE for another shape. */
export function parseInstances(body: unknown): readonly ConsulInstance[] {
  if (!Array.isArray(body)) throw nonsense('service')
  return body.map(entry => {
    if (!isObject(entry) || !isObject(entry.Node) || !isObject(entry.Service)) throw nonsense('service')
    const { Service: service, Checks: checks } = entry
    // Without its checks an instance would pass for healthy.
    if (!Array.isArray(checks ?? [])) throw nonsense('service')
    const weights = objectOf(service.Weights)
    return {
      node: parseNode(entry.Node),
      id: said(service.ID) || said(service.Service),
      kind: said(service.Kind),
      address: said(service.Address),
      port: portOf(service.Port),
      taggedAddresses: taggedAddresses(service.TaggedAddresses),
      tags: strings(service.Tags),
      namespace: text(service.Namespace),
      partition: text(service.Partition),
      meta: stringMap(service.Meta),
      weights: { passing: number(weights.Passing, 1), warning: number(weights.Warning, 1) },
      checks: Array.isArray(checks) ? checks.map(parseCheck) : [],
      modifyIndex: number(service.ModifyIndex, 0),
    }
  })
}

/** Reads the name of the node from `/v1/agent/self`. Throws WEFT_REGISTRY_UNAVAILABLE for another shape. */
export function parseNodeName(body: unknown): string {
  const name = isObject(body) && isObject(body.Config) ? text(body.Config.NodeName) : ''
  if (name === '') throw nonsense('self')
  return name
}

function parseNode(entry: JsonObject): ConsulNode {
  return {
    name: said(entry.Node),
    address: said(entry.Address),
    datacenter: text(entry.Datacenter),
    meta: stringMap(entry.Meta),
    taggedAddresses: stringMap(entry.TaggedAddresses),
  }
}

function taggedAddresses(value: unknown): Readonly<Record<string, TaggedAddress>> {
  const entries = isObject(value) ? Object.entries(value) : []
  return Object.fromEntries(
    entries.map(([tag, written]) => {
      const { Address: address, Port: port } = objectOf(written)
      return [tag, { address: said(address), port: portOf(port) }]
    }),
  )
}

function parseCheck(entry: unknown): ConsulCheck {
  const check = objectOf(entry)
  const { Status: status } = check
  return {
    node: text(check.Node),
    id: text(check.CheckID),
    name: text(check.Name),
    status: status === 'passing' || status === 'warning' ? status : 'critical',
    service: text(check.ServiceName),
    output: firstLine(text(check.Output)),
    notes: firstLine(text(check.Notes)),
  }
}

/** Where an empty text stands for something else, what is no text becomes one that names it and that no check lets pass. */
function said(value: unknown): string {
  return typeof value === 'string' || value === undefined || value === null ? text(value) : `${JSON.stringify(value)}`
}

/** 0 for none, NaN for what is no number. */
function portOf(value: unknown): number {
  return value === undefined || value === null ? 0 : number(value, Number.NaN)
}

/** Enough for a reason; the rest of a page that a check has fetched is not kept. */
function firstLine(output: string): string {
  return output.slice(0, 1000).trim().split('\n', 1)[0]?.slice(0, 200) ?? ''
}

function nonsense(read: string): MeshError {
  return new MeshError('WEFT_REGISTRY_UNAVAILABLE', 'consul answers with something of another shape', {
    fields: { read },
    next: 'check that the address is that of a consul agent, without a proxy that answers in its place',
  })
}
