import { canonicalAddress } from '../../mesh/std/ip-address.ts'
import { isObject, items, type JsonObject, objectOf, stringMap, strings, text } from '../json.ts'

/** What is kept of the objects of the API: nothing but what is used, as there are many of them. */

/** `namespace/name`; the name alone for what has no namespace. */
export type ObjectKey = string

/** Annotations for Weft, without their prefix. */
export type Annotations = readonly (readonly [key: string, value: string])[]

export interface KubeService {
  readonly namespace: string
  readonly name: string
  readonly annotations: Annotations
  /** The value of `networking.istio.io/exportTo`. */
  readonly exportTo: string | undefined
  /** `ClusterIP`, `NodePort`, `LoadBalancer` or `ExternalName`. */
  readonly type: string
  readonly externalName: string
  readonly clusterIps: readonly string[]
  readonly ports: readonly KubeServicePort[]
}

export interface KubeServicePort {
  /** Empty for the only port of a service. */
  readonly name: string
  readonly port: number
  /** `TCP`, `UDP` or `SCTP`. */
  readonly transport: string
  readonly appProtocol: string
}

export interface KubeSlice {
  readonly namespace: string
  readonly name: string
  readonly version: string
  /** Name of its Service. */
  readonly service: string
  /** `IPv4`, `IPv6` or `FQDN`. */
  readonly addressType: string
  readonly ports: readonly { readonly name: string; readonly port: number | undefined; readonly transport: string }[]
  readonly endpoints: readonly KubeEndpoint[]
}

export interface KubeEndpoint {
  /** The first of its addresses, as all of them are the same to callers; undefined when that is no IP address. */
  readonly address: string | undefined
  readonly writtenAddress: string
  /** Conditions with what is to be assumed where nothing is said (discovery/v1 EndpointConditions). */
  readonly ready: boolean
  readonly serving: boolean
  readonly terminating: boolean
  /** Name of its pod, in the namespace of the slice. */
  readonly pod: string | undefined
  readonly node: string
  readonly zone: string
}

export interface KubePod {
  readonly namespace: string
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Annotations
  /** Name of what it was made by: of the Deployment where that is known, not of its ReplicaSet. */
  readonly owner: string | undefined
  /** Undefined where only metadata is read. */
  readonly serviceAccount: string | undefined
  /** Its own addresses; undefined where only metadata is read. */
  readonly addresses: readonly string[] | undefined
}

export interface KubeNode {
  readonly name: string
  readonly region: string
  readonly zone: string
  readonly subzone: string
}

/** An object of a kind of Istio's, whole. */
export type KubeResource = JsonObject

const annotationPrefix = 'weft.dev/'

/** What is kept of a Service. */
export function readService(object: JsonObject): KubeService {
  const { metadata, spec } = { metadata: objectOf(object.metadata), spec: objectOf(object.spec) }
  const ips = strings(spec.clusterIPs)
  return {
    ...namesOf(metadata),
    annotations: annotationsOf(metadata),
    exportTo: Object.entries(stringMap(metadata.annotations)).find(
      ([key]) => key === 'networking.istio.io/exportTo',
    )?.[1],
    type: text(spec.type) || 'ClusterIP',
    externalName: text(spec.externalName),
    clusterIps: (ips.length > 0 ? ips : [text(spec.clusterIP)]).filter(ip => ip !== '' && ip !== 'None'),
    ports: items(spec.ports)
      .filter(isObject)
      .map(port => ({
        name: text(port.name),
        port: numberOf(port.port) ?? 0,
        transport: text(port.protocol) || 'TCP',
        appProtocol: text(port.appProtocol),
      })),
  }
}

/** What is kept of an EndpointSlice. */
export function readSlice(object: JsonObject): KubeSlice {
  const metadata = objectOf(object.metadata)
  const { namespace, name } = namesOf(metadata)
  const label = Object.entries(stringMap(metadata.labels)).find(([key]) => key === 'kubernetes.io/service-name')
  return {
    namespace,
    name,
    version: text(metadata.resourceVersion),
    service: label?.[1] ?? '',
    addressType: text(object.addressType),
    ports: items(object.ports)
      .filter(isObject)
      .map(port => ({
        name: text(port.name),
        port: numberOf(port.port),
        transport: text(port.protocol) || 'TCP',
      })),
    endpoints: items(object.endpoints)
      .filter(isObject)
      .map(endpoint => readEndpoint(endpoint, namespace)),
  }
}

function readEndpoint(endpoint: JsonObject, namespace: string): KubeEndpoint {
  const conditions = objectOf(endpoint.conditions)
  const ready = conditions.ready !== false
  const target = objectOf(endpoint.targetRef)
  // a slice speaks for pods of its own namespace only: whoever writes it has no say over others
  const own = target.kind === 'Pod' && (text(target.namespace) || namespace) === namespace
  const [address = ''] = strings(endpoint.addresses)
  return {
    address: canonicalAddress(address),
    writtenAddress: address,
    ready,
    serving: typeof conditions.serving === 'boolean' ? conditions.serving : ready,
    terminating: conditions.terminating === true,
    pod: own ? text(target.name) || undefined : undefined,
    node: text(endpoint.nodeName),
    zone: text(endpoint.zone),
  }
}

/** What is kept of a Pod, whole or its metadata alone. */
export function readPod(object: JsonObject): KubePod {
  const metadata = objectOf(object.metadata)
  const labels = Object.fromEntries(Object.entries(stringMap(metadata.labels)))
  const whole = object.spec !== undefined
  const { spec, status } = { spec: objectOf(object.spec), status: objectOf(object.status) }
  const addresses = [
    text(status.podIP),
    ...items(status.podIPs)
      .filter(isObject)
      .map(one => text(one.ip)),
  ]
  return {
    ...namesOf(metadata),
    labels,
    annotations: annotationsOf(metadata),
    owner: ownerOf(metadata, labels),
    serviceAccount: whole ? text(spec.serviceAccountName) || undefined : undefined,
    addresses: whole ? [...new Set(addresses.flatMap(text => canonicalAddress(text) ?? []))] : undefined,
  }
}

/** A ReplicaSet of a Deployment is called `<deployment>-<pod-template-hash>`. */
function ownerOf(metadata: JsonObject, labels: Readonly<Record<string, string>>): string | undefined {
  const owner = items(metadata.ownerReferences)
    .filter(isObject)
    .find(one => one.controller === true)
  const name = text(owner?.name)
  const suffix = `-${labels['pod-template-hash']}`
  if (owner?.kind === 'ReplicaSet' && name.endsWith(suffix)) return name.slice(0, -suffix.length) || undefined
  return name || undefined
}

/** What is kept of a Node's metadata. */
export function readNode(object: JsonObject): KubeNode {
  const metadata = objectOf(object.metadata)
  const labels = new Map(Object.entries(stringMap(metadata.labels)))
  return {
    name: text(metadata.name),
    region: labels.get('topology.kubernetes.io/region') ?? '',
    zone: labels.get('topology.kubernetes.io/zone') ?? '',
    subzone: labels.get('topology.istio.io/subzone') ?? '',
  }
}

function namesOf(metadata: JsonObject): { readonly namespace: string; readonly name: string } {
  return { namespace: text(metadata.namespace), name: text(metadata.name) }
}

function annotationsOf(metadata: JsonObject): Annotations {
  return Object.entries(stringMap(metadata.annotations)).flatMap(([key, value]) =>
    key.startsWith(annotationPrefix) ? [[key.slice(annotationPrefix.length), value] as const] : [],
  )
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined
}
