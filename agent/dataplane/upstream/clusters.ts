import type { ClusterSettings } from '../../../mesh/routing/cluster.ts'
import type { RouteDestination } from '../../../mesh/routing/route.ts'
import type { OriginalDst } from '../../intercept/original-dst.ts'
import type { Caller, Destination, Table, Target } from '../table.ts'
import { Admission } from './admission.ts'
import { callersByZone } from './callers-by-zone.ts'
import { Cluster, type ClusterDeps } from './cluster.ts'
import { type ClusterEndpoint, EndpointStates } from './endpoint.ts'
import { NamedDestinations } from './named-destinations.ts'
import { OriginalDestinations } from './original-destinations.ts'
import type { SharedCounts } from './shared-counts.ts'

/** An endpoint of a destination as one cluster keeps it. */
export interface Upstream extends ClusterEndpoint {
  readonly target: Target
}

/** A destination in use: its endpoints and limits, and which service it is of. */
export interface ActiveCluster {
  readonly cluster: Cluster<Upstream>
  readonly admission: Admission
  readonly destination: Destination
  readonly settings: ClusterSettings
  /** Its limits of connections limit requests: of HTTP/1.1 each would have had a connection of its own. */
  readonly countsConnections: boolean
  /** One endpoint of it that the caller has chosen itself, if it has. */
  pinned(target: Target | undefined): Upstream | undefined
  /** Where the caller was going, for a destination that goes there; undefined where an endpoint is to be chosen. */
  original(to: OriginalDst): Upstream | undefined
  /** For a destination whose calls name the host that is to be looked up. */
  readonly names: NamedDestinations | undefined
}

export interface ClustersDeps extends Omit<ClusterDeps, 'share'> {
  /** What the agent's threads count together; without it each counts for itself. */
  readonly counts?: SharedCounts | undefined
}

interface Kept {
  active: ActiveCluster
  table: Table
}

/**
 * The clusters of one data thread, by caller and destination. They are brought up to a new table when they are next
 * used, and what was learnt of their endpoints outlives tables.
 */
export class Clusters {
  readonly #kept = new Map<string, Map<string, Kept>>()
  readonly #states = new EndpointStates()
  readonly #deps: ClustersDeps

  constructor(deps: ClustersDeps) {
    this.#deps = deps
  }

  /** The cluster that a route's destination is for the caller; undefined when there is no such service, port or subset. */
  of(table: Table, caller: Caller, route: RouteDestination): ActiveCluster | undefined {
    const { cluster: name, host, port } = route
    let ofCaller = this.#kept.get(caller.key)
    if (ofCaller === undefined) {
      ofCaller = new Map()
      this.#kept.set(caller.key, ofCaller)
    }
    const kept = ofCaller.get(name)
    if (kept?.table === table) return kept.active
    const destination = table.destination(host, port)
    const settings = destination && table.routing.cluster(caller.client, route)
    if (destination === undefined || settings?.exists !== true) {
      kept?.active.cluster.stop()
      ofCaller.delete(name)
      return undefined
    }
    const scope = `${caller.key} ${name}`
    const cluster = kept?.active.cluster ?? this.#cluster(settings, scope)
    cluster.configure(settings)
    const upstreams = destination.endpoints
      .filter(({ endpoint }) => hasLabels(endpoint.labels, settings.subsetLabels))
      .map(target => upstreamOf(target, this.#states, scope))
    const callers = settings.locality.zoneAware && callersByZone(table, caller)
    cluster.update(upstreams, { locality: caller.locality, labels: caller.client.labels, callers })
    const admission = kept?.active.admission ?? new Admission(cluster.limits, this.#deps.clock)
    const { protocol } = destination.port
    const countsConnections = settings.maxConnections !== undefined && protocol !== 'http2' && protocol !== 'grpc'
    let byKey: ReadonlyMap<string, Upstream> | undefined
    const pinned = (target: Target | undefined) => {
      if (target === undefined) return undefined
      byKey ??= firstByKey(upstreams)
      return byKey.get(target.authority) ?? upstreamOf(target, this.#states, scope)
    }
    const passes = destination.service.resolution === 'none' || settings.balancer.kind === 'passthrough'
    const originals = passes ? new OriginalDestinations(table) : undefined
    const original = (to: OriginalDst) => originals?.of(to)
    const isNamed = destination.service.resolution === 'dynamic-dns' && !passes
    const names = isNamed ? new NamedDestinations(table, destination, settings) : undefined
    const active = { cluster, admission, destination, settings, countsConnections, pinned, original, names }
    ofCaller.set(name, { active, table })
    return active
  }

  #cluster(settings: ClusterSettings, name: string): Cluster<Upstream> {
    const { counts, ...deps } = this.#deps
    return new Cluster(settings, { ...deps, share: counts && { counts, name } })
  }

  /** Forgets what nothing is under way to and the table has no service for; for after a table was applied. */
  prune(table: Table): void {
    for (const [caller, clusters] of this.#kept) {
      for (const [name, { active }] of clusters) {
        const { host, port } = active.destination
        if (table.destination(host, port.port) !== undefined || active.cluster.limits.open.requests > 0) continue
        active.cluster.stop()
        clusters.delete(name)
      }
      if (clusters.size === 0) this.#kept.delete(caller)
    }
    this.#states.prune()
  }

  /** Endpoints out of use now, for the metrics. */
  get ejectionsActive(): number {
    let count = 0
    for (const clusters of this.#kept.values()) {
      for (const { active } of clusters.values()) count += active.cluster.outliers.ejectionsActive
    }
    return count
  }

  stop(): void {
    for (const clusters of this.#kept.values()) for (const { active } of clusters.values()) active.cluster.stop()
    this.#kept.clear()
  }
}

function upstreamOf(target: Target, states: EndpointStates, scope: string): Upstream {
  const { endpoint, authority, weight } = target
  const { health, labels, locality } = endpoint
  return { key: authority, weight, health, labels, locality, state: states.of(scope, authority), target }
}

/** By address; of an address that is listed twice the first, as it is the first that is met. */
function firstByKey(upstreams: readonly Upstream[]): ReadonlyMap<string, Upstream> {
  return new Map(upstreams.toReversed().map(upstream => [upstream.key, upstream]))
}

function hasLabels(labels: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>>): boolean {
  for (const [name, value] of Object.entries(wanted)) if (labels[name] !== value) return false
  return true
}
