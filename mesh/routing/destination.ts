import type { DestinationRef } from '../model/traffic.ts'
import { fullHost } from './hosts.ts'
import type { RouteDestination } from './route.ts'
import type { ClientScope } from './scope.ts'

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
