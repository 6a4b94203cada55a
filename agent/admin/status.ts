import type { RejectedResource } from '../dataplane/messages.ts'
import type { WorkloadProbes } from '../health/status.ts'
import type { RegistrationStatus } from '../registration/status.ts'

/** What an agent says about itself on its admin socket; times are RFC 3339. */
export interface AgentStatus {
  readonly node: string
  readonly version: string
  readonly startedAt: string
  readonly ready: boolean
  /** Why it is not ready; empty when it is. */
  readonly notReady: readonly string[]
  readonly server: {
    readonly connected: boolean
    /** Since when it is connected, or since when the config is stale. */
    readonly since: string
    /** Its name while connected. */
    readonly name?: string
    /** Why it is not connected. */
    readonly reason?: string
  }
  readonly config: {
    /** Of the last push in this session; 0 when the config is from disk. */
    readonly version: number
    readonly resources: number
    readonly rejected: readonly RejectedResource[]
  }
  readonly certificates: readonly CertificateStatus[]
  readonly capture: PartStatus
  readonly dns: PartStatus
  readonly listeners: readonly ListenerStatus[]
  /** What this host registers itself as, by name. */
  readonly registrations: readonly RegistrationStatus[]
  /** How this host's workloads answer their health checks; those without a check are not in it. */
  readonly health: readonly WorkloadProbes[]
  /** Files of the state directory that had to be set aside or could not be written. */
  readonly stateProblems: readonly string[]
}

export interface CertificateStatus {
  readonly identity: string
  readonly notAfter?: string
  readonly renewAt?: string
  readonly problem?: string
}

/** A part that can be off, working, or failing while the rest goes on. */
export type PartStatus =
  | { readonly state: 'off' }
  | { readonly state: 'ok'; readonly detail?: Readonly<Record<string, unknown>> }
  | { readonly state: 'failing'; readonly reason: string }

export interface ListenerStatus {
  readonly name: string
  readonly port?: number
  readonly error?: string
}
