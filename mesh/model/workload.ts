import type { Locality } from './locality.ts'
import type { Probe } from './probe.ts'

/** Whether new connections may go to a workload. `draining` keeps what is open and takes nothing new. */
export type Health = 'healthy' | 'unhealthy' | 'draining'

/**
 * How a host's kernel can tell that a local process belongs to a workload. A uid is preferred; a cgroup path (relative
 * to the cgroup v2 root, such as `system.slice/api.service`) is for services that share a user.
 */
export type CallerSelector =
  | { readonly kind: 'uid'; readonly uid: number }
  | { readonly kind: 'user'; readonly user: string }
  | { readonly kind: 'cgroup'; readonly path: string }

/** One running instance of one or more services. */
export interface Workload {
  /** `<registry>/<the registry's own stable name for it>`, unique in the mesh. */
  readonly id: string
  /** Name of the registry it comes from, as configured. */
  readonly registry: string
  readonly namespace: string
  readonly name: string
  /** An IPv4 or IPv6 address, without zone. */
  readonly address: string
  /** The host it sits on, as its agent calls itself; absent for a machine that has no agent. */
  readonly node?: string
  /** With the namespace and the trust domain this is its SPIFFE identity; absent means outside the mesh. */
  readonly serviceAccount?: string
  readonly labels: Readonly<Record<string, string>>
  readonly locality: Locality
  /** Relative share of traffic, 1 when nothing is said; 0 receives none. */
  readonly weight: number
  readonly health: Health
  /** What the registry says about a health that is not simply good: one line, at most 200 characters. */
  readonly healthReason?: string
  /** Health check to be run by the agent of its host; its result goes before what the registry says. */
  readonly probe?: Probe
  readonly callers: readonly CallerSelector[]
}
