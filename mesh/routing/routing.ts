import type { ConnectionPoolSpec } from '../model/traffic.ts'
import type { ClusterSettings } from './cluster.ts'
import { clusterSettings, type PoolLimits, passthroughSettings, poolLimits } from './cluster-settings.ts'
import type { CompileContext } from './context.ts'
import { destinationReader, passthroughCluster } from './destination.ts'
import { createPortRoutes, type PortRoutes } from './port-routes.ts'
import type { RouteDestination } from './route.ts'
import { type ClientScope, createScope } from './scope.ts'
import { type SidecarInForce, sidecarInForce } from './sidecar.ts'
import { trafficPolicy } from './traffic-policy.ts'
import type { RoutingClient, RoutingWorld } from './world.ts'
import { indexWorld, meshGateway, type WorldIndex } from './world-index.ts'

/** What one world comes to for its clients. Everything is made when first asked for, and kept with the world. */
export interface Routing {
  /** Where a client's requests to a port go; the same object for the same namespace, labels and port. */
  httpPort(client: RoutingClient, port: number): PortRoutes
  /** How a client calls a destination. */
  cluster(client: RoutingClient, destination: RouteDestination): ClusterSettings
  /** The Sidecar in force for a client. */
  sidecar(client: RoutingClient): SidecarInForce
  /**
   * What bounds the calls a workload receives through a port of a service of its own: the pool of its Sidecar, else of the
   * DestinationRule's port, else of the DestinationRule, each as a whole; else nothing does.
   */
  inboundPool(workload: RoutingClient, host: string, port: number): PoolLimits
}

/** Prepares routing for a world; see {@link Routing}. */
export function createRouting(world: RoutingWorld): Routing {
  const index = indexWorld(world)
  const byObject = new WeakMap<RoutingClient, ClientRouting>()
  const byValue = new Map<string, ClientRouting>()

  function of(client: RoutingClient): ClientRouting {
    const known = byObject.get(client)
    if (known !== undefined) return known
    const key = clientKey(client)
    const made = byValue.get(key) ?? createClientRouting(index, client)
    byValue.set(key, made)
    byObject.set(client, made)
    return made
  }

  return {
    httpPort: (client, port) => of(client).httpPort(port),
    cluster: (client, destination) => of(client).cluster(destination),
    sidecar: client => of(client).sidecar,
    inboundPool(workload, host, port) {
      return poolLimits(of(workload).sidecar.inboundConnectionPool ?? rulePool(index, workload, host, port))
    },
  }
}

interface ClientRouting {
  readonly sidecar: SidecarInForce
  httpPort(port: number): PortRoutes
  cluster(destination: RouteDestination): ClusterSettings
}

function createClientRouting(index: WorldIndex, client: RoutingClient): ClientRouting {
  const { traffic, domain } = index.world
  const scope = createScope(index, client)
  const sidecar = sidecarInForce(index, scope.sidecar)
  const ports = new Map<number, PortRoutes>()
  const clusters = new Map<string, ClusterSettings>()

  function cluster(destination: RouteDestination): ClusterSettings {
    const known = clusters.get(destination.cluster)
    if (known !== undefined) return known
    const settings = settingsOf(index, scope, destination)
    clusters.set(destination.cluster, settings)
    return settings
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
    httpPort(port) {
      const known = ports.get(port)
      if (known !== undefined) return known
      const { outboundTrafficPolicy } = sidecar
      const routes = createPortRoutes(index, scope.listener(port), contextOf(port), outboundTrafficPolicy)
      ports.set(port, routes)
      return routes
    },
  }
}

function settingsOf(index: WorldIndex, scope: ClientScope, destination: RouteDestination): ClusterSettings {
  const { mesh } = index.world.traffic
  const { host, port } = destination
  if (destination.cluster === passthroughCluster) return passthroughSettings(destination, mesh)
  const known = scope.service(host)
  if (known === undefined) return clusterSettings(destination, undefined, mesh, false)
  const rule = index.destinationRules.outbound(scope.client, { host, namespace: known.namespace })
  const hasPort = known.service.ports.some(each => each.port === port)
  return clusterSettings(destination, rule, mesh, hasPort)
}

function rulePool(
  index: WorldIndex,
  { namespace }: RoutingClient,
  host: string,
  port: number,
): ConnectionPoolSpec | undefined {
  const rule = index.destinationRules.inbound(namespace, { host, namespace })
  return rule === undefined ? undefined : trafficPolicy(rule, port, '')?.connectionPool
}

function clientKey({ namespace, labels }: RoutingClient): string {
  const entries = Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return JSON.stringify([namespace, ...entries])
}
