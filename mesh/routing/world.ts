import type { ServicePort } from '../model/service.ts'
import type { TrafficConfig } from '../model/traffic.ts'

/** A service as routing needs to know it. */
export interface RoutableService {
  readonly namespace: string
  readonly name: string
  /** Full names, lower case: `<name>.<namespace>.<domain>` first for services of the mesh, then declared hosts. */
  readonly hosts: readonly string[]
  /** Virtual and declared addresses: an authority that is one of them means the service too. */
  readonly addresses: readonly string[]
  readonly ports: readonly ServicePort[]
  /** Namespaces that see it; absent or `*` means all. */
  readonly exportTo?: readonly string[] | undefined
}

/** Everything routing decides by, immutable; a change is a new world. */
export interface RoutingWorld {
  readonly services: readonly RoutableService[]
  readonly traffic: TrafficConfig
  /** What follows `<name>.<namespace>.` in full names: `mesh`, `svc.cluster.local`. */
  readonly domain: string
}

/** Whose calls are routed: a local workload. */
export interface RoutingClient {
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
}
