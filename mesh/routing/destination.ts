import type { DestinationRef } from '../model/traffic.ts'
import { fullHost, isWildcard } from './hosts.ts'
import type { RouteDestination } from './route.ts'
import type { ClientScope } from './scope.ts'
import type { KnownHost } from './world-index.ts'

/** Istio's name of a cluster. */
export function destinationOf(host: string, port: number, subset: string, weight: number): RouteDestination {
  return { host, port, subset, cluster: `outbound|${port}|${subset}|${host}`, weight }
}

/** Calls of hosts that nobody knows: to the address that was asked for. */
export function passthroughDestination(port: number): RouteDestination {
  return { host: '', port, subset: '', cluster: passthroughCluster, weight: 0 }
}

export const passthroughCluster = 'PassthroughCluster'

/** Reads destinations of rules; see CompileContext.destination. */
export function destinationReader(scope: ClientScope, domain: string, listenerPort: number) {
  return (ref: DestinationRef, namespace: string, weight: number): RouteDestination => {
    const host = fullHost(ref.host.toLowerCase(), namespace, domain)
    const port = ref.port?.number ?? onlyPort(scope, host) ?? listenerPort
    return destinationOf(host, port, ref.subset ?? '', weight)
  }
}

function onlyPort(scope: ClientScope, host: string): number | undefined {
  const [first, ...others] = scope.service(host)?.service.ports ?? []
  return others.length === 0 ? first?.port : undefined
}

/**
 * The name that the certificate of a service outside the mesh is for: a declared host rather than the mesh's own name, which
 * nobody outside knows; empty for a wildcard.
 */
export function serverNameOf({ names, service }: KnownHost, domain: string): string {
  const own = `${service.name}.${service.namespace}.${domain}`
  const declared = names.find(name => name !== own && !isWildcard(name))
  if (declared !== undefined) return declared
  return names.every(name => !isWildcard(name)) ? own : ''
}
