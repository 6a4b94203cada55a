import type { RegistryProblem } from '../mesh/model/catalogue.ts'
import type { RejectedResource } from '../mesh/wire/messages.ts'

/** A disappearance that is not believed yet. */
export interface HeldRemoval {
  /** Milliseconds since 1970. */
  readonly since: number
  /** When it will be believed. */
  readonly until: number
  readonly workloads: number
  readonly services: number
  /** How many of the workloads still answer: those stay until an operator confirms that they are gone. */
  readonly answering: number
}

/** One registry, as operators see it. */
export interface RegistryStatus {
  readonly name: string
  readonly kind: string
  /**
   * `starting`: never answered; `fresh`: in touch; `stale`: not in touch since {@link since}, its last good view in use.
   */
  readonly state: 'starting' | 'fresh' | 'stale'
  /** When the state began, milliseconds since 1970. */
  readonly since: number
  /** Why it is stale. */
  readonly reason?: string
  readonly services: number
  readonly workloads: number
  readonly problems: readonly RegistryProblem[]
  readonly held?: HeldRemoval
  /** Workloads whose health keeps changing, and is held steady meanwhile. */
  readonly flapping: number
}

/** Keys that tokens are verified by, from one URL, as operators see them. */
export interface TokenKeysStatus {
  /** The URL of the key set, or the issuer. */
  readonly uri: string
  /** `starting`: not answered yet; `stale`: the last good set is in use; `missing`: every token is refused. */
  readonly state: 'starting' | 'fresh' | 'stale' | 'missing'
  /** When the state began, milliseconds since 1970. */
  readonly since: number
  /** Why it is stale or missing. */
  readonly reason?: string
}

/** One agent, as operators see it: every node that has joined, connected or not. */
export interface AgentStatus {
  readonly node: string
  /** `never`: joined, but not seen since this server started. */
  readonly state: 'connected' | 'stale' | 'never'
  /** When the state began, milliseconds since 1970. */
  readonly since: number
  readonly banned: boolean
  readonly transport?: 'websocket' | 'grpc'
  readonly remoteAddress?: string
  readonly agentVersion?: string
  /** What the host says about itself. */
  readonly facts: Readonly<Record<string, string>>
  /** Version of the configuration meant for it, of the last one it answered, and what it would not take. */
  readonly configVersion: number
  readonly answeredVersion: number
  readonly rejected: readonly RejectedResource[]
  /** End of the certificate it connected with, milliseconds since 1970. */
  readonly certificateExpiresAt?: number
  /** Why the last session ended. */
  readonly lastClose?: string
}
