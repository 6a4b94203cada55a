import type { Clock, Timer } from '../std/clock.ts'
import type { Log } from '../std/log.ts'
import type { Watch } from '../std/watch.ts'
import { type HostReport, maxRegistrations, maxReportedCertificates, maxReportedHealth } from './messages.ts'

/** What a host says about its own workloads, before it is a message. */
export type HostState = Omit<HostReport, 'kind'>

/** Changes that come closer together than this make one report. */
export const reportEveryMs = 200

export interface ReportSenderDeps {
  readonly clock: Clock
  readonly log: Log
  readonly report: Watch<HostState>
  send(report: HostReport): void
}

/**
 * Sends the host's state now and on every change, at most once in {@link reportEveryMs}, until the returned function
 * is called. What is beyond the limits of a report is left out and logged: the rest must not be lost with it.
 */
export function startReportSender({ clock, log, report, send }: ReportSenderDeps): () => void {
  let timer: Timer | undefined
  let dirty = true
  const unsubscribe = report.subscribe(() => {
    dirty = true
    if (timer === undefined) say()
  })
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
    send({
      kind: 'report',
      health: health.slice(0, maxReportedHealth),
      registrations: registrations.slice(0, maxRegistrations),
      ...(certificates.length > 0 && { certificates: certificates.slice(0, maxReportedCertificates) }),
    })
  }

  return () => {
    timer?.cancel()
    unsubscribe()
  }
}
