import type { LocalPort, LocalWorkloadResource } from '../../mesh/model/agent-config.ts'
import type { Protocol } from '../../mesh/model/service.ts'
import type { Ingress, ServerTls } from '../../mesh/routing/ingress.ts'
import { hostPort } from './address.ts'

/** Ports of the agent itself: a workload that is delivered there would make the agent call itself. */
export const ownPorts: ReadonlySet<number> = new Set([15001, 15006, 15008, 15020, 15021, 15053])

/** Where a process of this host takes connections. */
export interface LocalAddress {
  /** `ip:port`, or the path of a unix socket. */
  readonly text: string
  /** As `node:net` takes it. */
  readonly connect: { readonly host: string; readonly port: number } | { readonly path: string }
}

/** How a declared port is served. */
export interface Delivery {
  readonly kind: 'delivery'
  readonly protocol: Protocol
  readonly to: LocalAddress
  /** TLS of callers outside the mesh that ends here. */
  readonly tls: ServerTls | undefined
}

/** Why it is not. */
export interface Undeliverable {
  readonly kind: 'undeliverable'
  readonly reason: string
}

/**
 * Where what arrives for a workload's port goes: to the port itself, or where the workload's Sidecar says. Unix sockets
 * have to lie below one of `socketDirectories`: the agent may connect to sockets that whoever writes Sidecars may not.
 */
export function deliveryOf(
  { address }: LocalWorkloadResource,
  { port, protocol }: LocalPort,
  ingress: Ingress | undefined,
  socketDirectories: readonly string[],
): Delivery | Undeliverable {
  if (ingress === undefined) return { kind: 'delivery', protocol, to: tcp(address, port), tls: undefined }
  const to = addressOf(ingress, address, socketDirectories)
  if (typeof to !== 'string') {
    return { kind: 'delivery', protocol: ingress.protocol ?? protocol, to, tls: ingress.tls }
  }
  return { kind: 'undeliverable', reason: `the ingress of its Sidecar for port ${port} ${to}` }
}

/** Where an ingress leads, or why it cannot be used. */
function addressOf(
  { endpoint, bind }: Ingress,
  own: string,
  socketDirectories: readonly string[],
): LocalAddress | string {
  if (bind !== undefined && bind !== own) return `is bound to ${bind}, and the workload is at ${own}`
  if (endpoint === undefined) return 'has a defaultEndpoint that this version does not know'
  if (endpoint.kind === 'socket') {
    const { path } = endpoint
    const isBelow = (directory: string) => path.startsWith(directory.endsWith('/') ? directory : `${directory}/`)
    if (socketDirectories.some(isBelow)) return { text: path, connect: { path } }
    return `leads to ${path}, which lies in no directory of the agent's setting inbound.unixSockets`
  }
  if (ownPorts.has(endpoint.port)) return `leads to port ${endpoint.port}, the agent's own`
  return tcp(endpoint.kind === 'loopback' ? endpoint.address : own, endpoint.port)
}

function tcp(host: string, port: number): LocalAddress {
  return { text: hostPort(host, port), connect: { host, port } }
}
