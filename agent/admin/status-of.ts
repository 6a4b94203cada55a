import { isOfSidecar } from '../control/listener-plan.ts'
import type { LinkStatus } from '../control/server-link.ts'
import type { BoundListener } from '../dataplane/messages.ts'
import type { WorkloadProbes } from '../health/status.ts'
import type { KeeperStatus } from '../identity/keeper.ts'
import type { RegistrationStatus } from '../registration/status.ts'
import type { AgentStatus, CertificateStatus, PartStatus } from './status.ts'

/** What the parts say; times are milliseconds since 1970. */
export interface StatusSources {
  readonly node: string
  readonly version: string
  readonly startedAt: number
  readonly now: number
  readonly draining: boolean
  readonly hasConfig: boolean
  readonly resources: number
  readonly link: LinkStatus
  /** The node's own first. */
  readonly certificates: readonly KeeperStatus[]
  readonly listeners: readonly BoundListener[]
  readonly capture: PartStatus
  readonly dns: PartStatus
  readonly registrations: readonly RegistrationStatus[]
  readonly health: readonly WorkloadProbes[]
  readonly stateProblems: readonly string[]
}

/** Words that readiness may say to anybody: no names, no addresses. */
export type NotReady = 'draining' | 'config' | 'listeners' | 'certificates' | 'capture'

/**
 * Why this agent should not be relied upon now. A workload whose certificate the server refuses does not count: it is
 * reported, and does not keep the host's other services from starting; nor does a port that a Sidecar asks for.
 */
export function notReadyOf(sources: StatusSources): readonly NotReady[] {
  const { listeners, certificates, now } = sources
  const isMissing = ({ notAfter, refused }: KeeperStatus) => (notAfter === undefined || notAfter < now) && !refused
  const checks: readonly (readonly [NotReady, boolean])[] = [
    ['draining', sources.draining],
    ['config', !sources.hasConfig],
    ['listeners', listeners.length === 0 || listeners.some(one => one.error !== undefined && !isOfSidecar(one.name))],
    // The node's own certificate is for the server's eyes only: without it this host serves what it knows.
    ['certificates', certificates.slice(1).some(isMissing)],
    ['capture', sources.capture.state === 'failing'],
  ]
  return checks.flatMap(([name, applies]) => (applies ? [name] : []))
}

/** The status page. */
export function statusOf(sources: StatusSources): AgentStatus {
  const { link } = sources
  const notReady = notReadyOf(sources)
  return {
    node: sources.node,
    version: sources.version,
    startedAt: time(sources.startedAt),
    ready: notReady.length === 0,
    notReady,
    server: {
      connected: link.kind === 'connected',
      since: time(link.since),
      ...(link.kind === 'connected' ? { name: link.server } : { reason: link.reason }),
    },
    config: { version: link.version, resources: sources.resources, rejected: link.rejected },
    certificates: sources.certificates.map(certificateStatus),
    capture: sources.capture,
    dns: sources.dns,
    listeners: sources.listeners,
    registrations: sources.registrations,
    health: sources.health,
    stateProblems: sources.stateProblems,
  }
}

/** Seconds to the end of each certificate that is there, by identity. */
export function secondsLeft(certificates: readonly KeeperStatus[], now: number): ReadonlyMap<string, number> {
  return new Map(
    certificates.flatMap(({ identity, notAfter }) =>
      notAfter === undefined ? [] : [[identity, Math.round((notAfter - now) / 1000)] as const],
    ),
  )
}

function certificateStatus(one: KeeperStatus): CertificateStatus {
  return {
    identity: one.identity,
    ...(one.notAfter !== undefined && { notAfter: time(one.notAfter) }),
    ...(one.renewAt !== undefined && { renewAt: time(one.renewAt) }),
    ...(one.problem !== undefined && { problem: one.problem }),
  }
}

function time(at: number): string {
  return new Date(at).toISOString()
}
