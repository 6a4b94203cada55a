import type { Locality } from './locality.ts'

/**
 * What a port speaks, as declared. `tcp` is opaque bytes; `auto`, where nothing is declared, is found out from the first
 * bytes of each connection. Names follow Istio's protocol selection.
 */
export type Protocol = (typeof protocols)[number]

export const protocols = ['auto', 'tcp', 'tls', 'http', 'http2', 'grpc'] as const

export interface ServicePort {
  /** Unique within the service: `http`, `grpc-admin`, `9090`. */
  readonly name: string
  /** The port callers use. */
  readonly port: number
  readonly protocol: Protocol
}

/** One workload behind a service: where each of the service's ports is really listening. */
export interface Endpoint {
  /** {@link Workload.id} */
  readonly workload: string
  /** Service port name to the port on the workload's address. */
  readonly ports: Readonly<Record<string, number>>
  /** Relative share of the service's traffic, where it is not the workload's own. */
  readonly weight?: number
}

/** Where a service is found by asking DNS: its endpoints are the addresses that the name has when it is called. */
export interface DnsEndpoint {
  /** The name to resolve, lower case, without trailing dot; resolved by the host that calls. */
  readonly name: string
  /** Service port name to the port on the addresses found. */
  readonly ports: Readonly<Record<string, number>>
  /** Relative share of the service's traffic, of the name as a whole. */
  readonly weight: number
  readonly labels: Readonly<Record<string, string>>
  readonly locality: Locality
}

/**
 * How endpoints are found (Istio's `resolution`): `static` from the registry, which is also meant when nothing is said;
 * `none` are no endpoints, a connection goes on to the address it was made to; `dns` are all addresses of the
 * {@link Service.dnsEndpoints}, `dns-round-robin` the first address each time one is looked up; with `dynamic-dns` the
 * hosts are wildcards, and the name that a call is for is looked up when it is called.
 */
export type Resolution = 'static' | 'none' | 'dns' | 'dns-round-robin' | 'dynamic-dns'

/**
 * `mesh`: endpoints are workloads of ours and are reached over mTLS where they have an identity.
 * `external`: outside the mesh, reached in plaintext (Istio's `MESH_EXTERNAL`).
 */
export type ServiceLocation = 'mesh' | 'external'

/** A name others call, as one registry tells it. */
export interface Service {
  readonly namespace: string
  readonly name: string
  /** Further names it is known by (a ServiceEntry's hosts), lower case, without trailing dot; `*.shop.example` is any below. */
  readonly hosts: readonly string[]
  /** Addresses, or ranges in CIDR form, that callers use for it besides its virtual IPs (a ServiceEntry's addresses). */
  readonly addresses: readonly string[]
  readonly location: ServiceLocation
  readonly ports: readonly ServicePort[]
  readonly endpoints: readonly Endpoint[]
  readonly resolution?: Resolution
  /** With the resolutions `dns` and `dns-round-robin`. */
  readonly dnsEndpoints?: readonly DnsEndpoint[]
  /** Names that certificates of the endpoints may carry besides the identity of a service account. */
  readonly subjectAltNames?: readonly string[]
  /** Namespaces whose workloads may see it; absent or `*` means all (Istio's exportTo, `.` resolved). */
  readonly exportTo?: readonly string[]
}

/** `<namespace>/<name>`: how services are keyed and ordered everywhere. */
export function serviceKey(service: { readonly namespace: string; readonly name: string }): string {
  return `${service.namespace}/${service.name}`
}
