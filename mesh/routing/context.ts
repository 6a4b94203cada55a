import type { DestinationRef, RetriesSpec } from '../model/traffic.ts'
import type { RouteDestination } from './route.ts'
import type { RoutingClient } from './world.ts'

/**
 * For whom the rules of one VirtualService are compiled, and what they need of everything else. Made once for a client
 * and a port; its functions are asked while compiling only, never for a request.
 */
export interface CompileContext {
  readonly client: RoutingClient
  /** The port that callers connected to: what a match's `port` means. */
  readonly port: number
  /** Where the requests come in, `mesh` for calls of workloads: a match that names `gateways` counts only if among them. */
  readonly gateway: string
  /** `defaultHttpRetryPolicy` of the mesh: for rules that say nothing of retries. */
  readonly defaultRetries: RetriesSpec | undefined
  /**
   * The destination that a rule of this namespace means: short hosts belong to the namespace, and without a port it is the
   * service's only one, else the one connected to. Hosts that nobody knows are destinations too: their cluster does not
   * exist when it is asked for.
   */
  destination(ref: DestinationRef, namespace: string, weight: number): RouteDestination
  /** True where its DestinationRule hashes: retries of such a destination do not avoid the hosts tried before. */
  consistentHash(destination: RouteDestination): boolean
}
