/** What a port speaks, as declared. `tcp` is opaque bytes. Names follow Istio's protocol selection. */
export type Protocol = 'tcp' | 'tls' | 'http' | 'http2' | 'grpc'

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

/**
 * `mesh`: endpoints are workloads of ours and are reached over mTLS where they have an identity.
 * `external`: outside the mesh, reached in plaintext (Istio's `MESH_EXTERNAL`).
 */
export type ServiceLocation = 'mesh' | 'external'

/** A name others call, as one registry tells it. */
export interface Service {
  readonly namespace: string
  readonly name: string
  /** Further names it is known by (a ServiceEntry's hosts), lower case, without trailing dot. */
  readonly hosts: readonly string[]
  /** Addresses that callers use for it besides its virtual IPs (a ServiceEntry's addresses). */
  readonly addresses: readonly string[]
  readonly location: ServiceLocation
  readonly ports: readonly ServicePort[]
  readonly endpoints: readonly Endpoint[]
  /** Namespaces whose workloads may see it; absent or `*` means all (Istio's exportTo, `.` resolved). */
  readonly exportTo?: readonly string[]
}

/** `<namespace>/<name>`: how services are keyed and ordered everywhere. */
export function serviceKey(service: { readonly namespace: string; readonly name: string }): string {
  return `${service.namespace}/${service.name}`
}
