import type { Locality } from './locality.ts'
import type { PolicyConfig } from './policy.ts'
import type { PolicyResource } from './policy-resource.ts'
import type { Probe } from './probe.ts'
import type { DnsEndpoint, Protocol, Resolution, ServicePort } from './service.ts'
import type { TrafficConfig } from './traffic.ts'
import type { TrafficResource } from './traffic-resource.ts'
import type { Trust } from './trust.ts'
import type { CallerSelector, Health } from './workload.ts'

/**
 * What one agent needs to know, as the server compiled it for that agent alone: a set of named resources. The names
 * are `host`, `trust`, `workload/<workload id>`, `service/<namespace>/<name>`, `traffic/<Kind>/<namespace>/<name>` and
 * `policy/<Kind>/<namespace>/<name>`.
 */
export type AgentResource =
  | HostResource
  | TrustResource
  | LocalWorkloadResource
  | MeshServiceResource
  | TrafficResource
  | PolicyResource

export const mtlsModes = ['DISABLE', 'PERMISSIVE', 'STRICT'] as const
export type MtlsMode = (typeof mtlsModes)[number]

/** Settings of the host as a whole. */
export interface HostResource {
  readonly kind: 'host'
  readonly node: string
  readonly trustDomain: string
  /** Namespace whose traffic resources hold for the whole mesh; empty when there is none. */
  readonly rootNamespace: string
  /** The zone the agent's DNS answers for: `mesh`. */
  readonly dnsDomain: string
  /** SPIFFE id for callers that belong to no workload; absent means that they are refused. */
  readonly defaultIdentity?: string
  /** All prefixes virtual IPs come from: captured even when a name is not known here. */
  readonly virtualIpRanges: readonly string[]
  readonly locality: Locality
}

/** Whom to believe. */
export interface TrustResource extends Trust {
  readonly kind: 'trust'
}

/** A port that a local workload is declared to serve. */
export interface LocalPort {
  readonly port: number
  readonly protocol: Protocol
  /** What plaintext from outside may do here, by PeerAuthentication. */
  readonly mtls: MtlsMode
  /** `namespace/name` of the PeerAuthentication that decided, or `default`. */
  readonly mtlsFrom: string
  /** What it would be if PeerAuthentications of dry runs were in force; absent when they change nothing. */
  readonly mtlsDryRun?: { readonly mode: MtlsMode; readonly from: string }
  /** Service this port belongs to, for metrics: `<namespace>/<name>`. */
  readonly service: string
  /** More services of this port, which policies may name. */
  readonly otherServices?: readonly string[]
}

/** One of this host's own workloads: what to present, what to serve, and who is calling. */
export interface LocalWorkloadResource {
  readonly kind: 'workload'
  readonly id: string
  readonly namespace: string
  readonly name: string
  readonly address: string
  /** SPIFFE id; absent when nothing trustworthy places it here, and then it is not served over the mesh. */
  readonly identity?: string
  readonly labels: Readonly<Record<string, string>>
  readonly ports: readonly LocalPort[]
  readonly callers: readonly CallerSelector[]
  /** Health checks that the agent runs and reports: the workload is healthy while all of them are. */
  readonly probes: readonly Probe[]
}

export interface MeshEndpoint {
  /** Workload id. */
  readonly id: string
  readonly address: string
  /** Service port name to the workload's port. */
  readonly ports: Readonly<Record<string, number>>
  /** SPIFFE id to expect over HBONE; absent means plaintext, outside the mesh. */
  readonly identity?: string
  readonly workload: string
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
  readonly locality: Locality
  readonly weight: number
  readonly health: Health
}

/** A service this host's workloads may call. */
export interface MeshServiceResource {
  readonly kind: 'service'
  readonly namespace: string
  readonly name: string
  /** Every DNS name it answers to, lower case: `<name>.<namespace>.mesh` first, then declared hosts, `*.` ones too. */
  readonly hosts: readonly string[]
  readonly virtualIps: readonly string[]
  /** Declared addresses besides the virtual ones; ranges in CIDR form among them. */
  readonly addresses: readonly string[]
  readonly external: boolean
  readonly ports: readonly ServicePort[]
  readonly endpoints: readonly MeshEndpoint[]
  /** How endpoints are found; `static` when absent. */
  readonly resolution?: Resolution
  /** Names for the agent to look up, whose addresses are endpoints too. */
  readonly dnsEndpoints?: readonly DnsEndpoint[]
  /** Names that certificates of the endpoints may carry besides their identity. */
  readonly subjectAltNames?: readonly string[]
  /** Namespaces whose workloads may call it; absent or `*` means all. */
  readonly exportTo?: readonly string[]
}

/** The resources of one agent by name, whole. */
export interface AgentConfig {
  readonly host: HostResource
  readonly trust: TrustResource
  readonly workloads: readonly LocalWorkloadResource[]
  readonly services: readonly MeshServiceResource[]
  readonly traffic: TrafficConfig
  /** Who may call the host's workloads, and with which tokens. */
  readonly policies: PolicyConfig
}

/** The name a resource goes by on the wire, in acknowledgements and in status. */
export function resourceName(resource: AgentResource): string {
  switch (resource.kind) {
    case 'host':
    case 'trust':
      return resource.kind
    case 'workload':
      return `workload/${resource.id}`
    case 'service':
      return `service/${resource.namespace}/${resource.name}`
    case 'traffic':
    case 'policy':
      return `${resource.kind}/${resource.resource}/${resource.namespace}/${resource.name}`
  }
}
