import type { ConnectionPoolSpec } from '../model/traffic.ts'
import { type BoundListener, boundListenersOf } from './bound-listeners.ts'
import type { ClusterSettings } from './cluster.ts'
import { clusterSettings, type PoolLimits, passthroughSettings, poolLimits } from './cluster-settings.ts'
import type { CompileContext } from './context.ts'
import { destinationReader, passthroughCluster, serverNameOf } from './destination.ts'
import { type Ingress, ingressOf } from './ingress.ts'
import { createMemo } from './memo.ts'
import { createPortRoutes, type PortRoutes } from './port-routes.ts'
import type { RouteDestination } from './route.ts'
import { isSameWorld } from './same-world.ts'
import { type ClientScope, createScope, ofOwnNamespace } from './scope.ts'
import { type SidecarInForce, selectSidecar, sidecarInForce } from './sidecar.ts'
import { createTcpRoutes, type TcpDestination, type TcpRoutes } from './tcp-routes.ts'
import { trafficPolicy } from './traffic-policy.ts'
import type { RoutableService, RoutingClient, RoutingWorld } from './world.ts'
import { indexWorld, meshGateway, type WorldIndex } from './world-index.ts'

/** What one world comes to for its clients. Everything is made when first asked for, and kept with the world. */
export interface Routing {
  readonly world: RoutingWorld
  /** Where a client's requests to a port go. */
  httpPort(client: RoutingClient, port: number): PortRoutes
  /** Listeners that a client's Sidecar opens for it, which it calls without interception. */
  bound(client: RoutingClient): readonly BoundListener[]
  /** Where its requests to such a listener go, and no others; undefined where it has none of that port. */
  boundPort(client: RoutingClient, port: number): PortRoutes | undefined
  /** How a client calls a destination. */
  cluster(client: RoutingClient, destination: RouteDestination): ClusterSettings
  /** Where a client's connection to a port goes by `tls` and `tcp` rules; undefined where none is about it. */
  tcp(
    client: RoutingClient,
    service: RoutableService | undefined,
    port: number,
    sni: string | undefined,
    destinationAddress: string,
  ): readonly TcpDestination[] | undefined
  /** The Sidecar in force for a client. */
  sidecar(client: RoutingClient): SidecarInForce
  /** What the Sidecar in force says of the ports that a workload receives calls at, by their numbers. */
  ingress(workload: RoutingClient): ReadonlyMap<number, Ingress>
  /**
   * What bounds the calls a workload receives through a port of a service of its own: the pool of its Sidecar's port, else
   * of its Sidecar, else of the DestinationRule's port, else of the DestinationRule, each as a whole; else nothing does.
   */
  inboundPool(workload: RoutingClient, host: string, port: number): PoolLimits
}

/** Clients, ports of a client and destinations that are kept at most. */
const clientLimit = 4096
const portLimit = 1024
const clusterLimit = 16_384

/**
 * Prepares routing for a world; see {@link Routing}. With the routing before, that is given back where nothing has changed
 * that it decides by: endpoints come and go far more often than rules and names.
 */
export function createRouting(world: RoutingWorld, before?: Routing): Routing {
  if (before !== undefined && isSameWorld(before.world, world)) return before
  const index = indexWorld(world)
  const byObject = new WeakMap<RoutingClient, ClientRouting>()
  const byValue = createMemo<string, ClientRouting>(clientLimit)

  function of(client: RoutingClient): ClientRouting {
    const known = byObject.get(client)
    if (known !== undefined) return known
    const made = byValue.get(clientKey(client), () => createClientRouting(index, client))
    byObject.set(client, made)
    return made
  }

  return {
    world,
    httpPort: (client, port) => of(client).httpPort(port),
    bound: client => of(client).bound,
    boundPort: (client, port) => of(client).boundPort(port),
    cluster: (client, destination) => of(client).cluster(destination),
    tcp: (client, service, port, sni, destinationAddress) =>
      of(client).tcpPort(port).find({ service, sni, destinationAddress }),
    sidecar: client => of(client).sidecar,
    ingress: workload => ingressOf(selectSidecar(index, workload)),
    inboundPool(workload, host, port) {
      const sidecar = selectSidecar(index, workload)
      const ofSidecar = ingressOf(sidecar).get(port)?.connectionPool ?? sidecar?.spec.inboundConnectionPool
      return poolLimits(ofSidecar ?? rulePool(index, workload, host, port))
    },
  }
}

interface ClientRouting {
  readonly sidecar: SidecarInForce
  readonly bound: readonly BoundListener[]
  httpPort(port: number): PortRoutes
  boundPort(port: number): PortRoutes | undefined
  tcpPort(port: number): TcpRoutes
  cluster(destination: RouteDestination): ClusterSettings
}

function createClientRouting(index: WorldIndex, client: RoutingClient): ClientRouting {
  const { traffic, domain } = index.world
  const scope = createScope(index, client)
  const sidecar = sidecarInForce(index, scope.sidecar)
  const httpPorts = createMemo<number, PortRoutes>(portLimit)
  const boundPorts = createMemo<number, PortRoutes | undefined>(portLimit)
  const tcpPorts = createMemo<number, TcpRoutes>(portLimit)
  const clusters = createMemo<string, ClusterSettings>(clusterLimit)

  function cluster(destination: RouteDestination): ClusterSettings {
    return clusters.get(destination.cluster, () => settingsOf(index, scope, destination))
  }

  function contextOf(port: number): CompileContext {
    return {
      client,
      port,
      gateway: meshGateway,
      defaultRetries: traffic.mesh.defaultHttpRetryPolicy,
      destination: destinationReader(scope, domain, port),
      consistentHash(destination) {
        const { kind } = cluster(destination).balancer
        return kind === 'ring-hash' || kind === 'maglev'
      },
    }
  }

  return {
    sidecar,
    cluster,
    bound: boundListenersOf(scope.sidecar),
    boundPort: wanted =>
      boundPorts.get(wanted, port => {
        const listener = scope.bound(port)
        // whoever calls the listener has no other address in mind that the rest could go on to
        return listener && createPortRoutes(index, listener, contextOf(port), 'REGISTRY_ONLY')
      }),
    httpPort: wanted =>
      httpPorts.get(wanted, port =>
        createPortRoutes(index, scope.listener(port), contextOf(port), sidecar.outboundTrafficPolicy),
      ),
    tcpPort: wanted => tcpPorts.get(wanted, port => createTcpRoutes(scope.listener(port), contextOf(port))),
  }
}

function settingsOf(index: WorldIndex, scope: ClientScope, destination: RouteDestination): ClusterSettings {
  const { mesh } = index.world.traffic
  const { host, port } = destination
  if (destination.cluster === passthroughCluster) return passthroughSettings(destination, mesh)
  const known = scope.service(host)
  if (known === undefined) return clusterSettings(destination, undefined, mesh, { isKnown: false, serverName: '' })
  const rule = index.destinationRules.outbound(scope.client, known)
  const isKnown = known.service.ports.some(each => each.port === port)
  return clusterSettings(destination, rule, mesh, { isKnown, serverName: serverNameOf(known, index.world.domain) })
}

function rulePool(
  index: WorldIndex,
  { namespace }: RoutingClient,
  host: string,
  port: number,
): ConnectionPoolSpec | undefined {
  const known = ofOwnNamespace(index.byHost.get(host) ?? [], namespace)
  const rule = index.destinationRules.inbound(namespace, known ?? { names: [host], namespace })
  return rule === undefined ? undefined : trafficPolicy(rule, port, '')?.connectionPool
}

function clientKey({ namespace, labels }: RoutingClient): string {
  const entries = Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return JSON.stringify([namespace, ...entries])
}
