import type { SeenFlow } from '../flows/flow.ts'
import type { Clock, Timer } from '../std/clock.ts'
import type { Log } from '../std/log.ts'
import type { Watch } from '../std/watch.ts'
import { type HostReport, maxRegistrations, maxReportedCertificates, maxReportedHealth } from './messages.ts'

/** What a host says about its own workloads, before it is a message. */
export type HostState = Omit<HostReport, 'kind' | 'flows'>

/** Changes that come closer together than this make one report. */
export const reportEveryMs = 200

/** Calls that the host has seen. */
export interface FlowSource {
  /** Changes when there is news. */
  readonly changed: Watch<number>
  /** Those of which there is news since the last time, or all; `count` is of what was not told yet. */
  take(all: boolean): readonly SeenFlow[]
}

export interface ReportSenderDeps {
  readonly clock: Clock
  readonly log: Log
  readonly report: Watch<HostState>
  /** Absent where the host keeps to itself who calls it. */
  readonly flows?: FlowSource
  send(report: HostReport): void
}

/**
 * Sends the host's state now and on every change, at most once in {@link reportEveryMs}, until the returned function
 * is called. What is beyond the limits of a report is left out and logged: the rest must not be lost with it.
 */
export function startReportSender({ clock, log, report, flows, send }: ReportSenderDeps): () => void {
  let timer: Timer | undefined
  let dirty = true
  let first = true
  const changed = () => {
    dirty = true
    if (timer === undefined) say()
  }
  const unsubscribe = report.subscribe(changed)
  const unfollow = flows?.changed.subscribe(changed)
  say()

  function say(): void {
    timer = undefined
    if (!dirty) return
    dirty = false
    timer = clock.timer(reportEveryMs, say)
    const { health, registrations, certificates = [] } = report.value
    const tooMany = Math.max(
      health.length - maxReportedHealth,
      registrations.length - maxRegistrations,
      certificates.length - maxReportedCertificates,
    )
    if (tooMany > 0) log.warn('the host has more workloads than a report holds', { tooMany })
    // the server may have forgotten them, or be another one
    const seen = flows?.take(first) ?? []
    first = false
    send({
      kind: 'report',
      health: health.slice(0, maxReportedHealth),
      registrations: registrations.slice(0, maxRegistrations),
      ...(certificates.length > 0 && { certificates: certificates.slice(0, maxReportedCertificates) }),
      ...(seen.length > 0 && { flows: seen }),
    })
  }

  return () => {
    timer?.cancel()
    unsubscribe()
    unfollow?.()
  }
}
