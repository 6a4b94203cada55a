import type { Clock } from '../../../mesh/std/clock.ts'
import type { Reason } from '../reasons.ts'
import { type LogFile, openLogFile } from './log-file.ts'
import { jsonName, jsonText, timestamp } from './log-text.ts'

/** One finished or refused connection, as its access-log line tells it. Field names follow ztunnel's. */
export interface AccessRecord {
  readonly direction: 'inbound' | 'outbound'
  readonly verdict: 'allowed' | 'refused'
  readonly reason: Reason
  /** What the reason is about: a policy's name, a peer's answer, an error's text. */
  readonly detail: string
  readonly sourceAddress: string
  readonly sourceIdentity: string
  readonly sourceWorkload: string
  readonly destinationAddress: string
  readonly destinationService: string
  readonly destinationIdentity: string
  readonly destinationWorkload: string
  /** Address of the HBONE session; empty for plaintext. */
  readonly hboneAddress: string
  /** The rule of an AuthorizationPolicy that decided, those that audit it, and what dry runs would have done. */
  readonly policy: string
  readonly audit: string
  readonly dryRun: string
  /** From the caller's point of view, as in Istio's metrics. */
  readonly bytesSent: number
  readonly bytesReceived: number
  readonly durationMs: number
}

/** One JSON line per connection, and the lines of requests between them. */
export interface AccessLog extends LogFile {
  connection(record: AccessRecord): void
}

/** Opens the log at a path, on standard output for `-`; undefined keeps none. */
export function openAccessLog(path: string | undefined, clock: Clock): AccessLog {
  const file = openLogFile(path, clock)
  return { ...file, connection: record => file.write(line(record, clock.now())) }
}

function line(record: AccessRecord, now: number): string {
  return (
    `{"time":"${timestamp(now)}","direction":"${record.direction}","verdict":"${record.verdict}"` +
    `,"reason":"${record.reason}"${record.detail === '' ? '' : `,"detail":${jsonText(record.detail)}`}` +
    `,"src.addr":"${record.sourceAddress}","src.identity":${jsonName(record.sourceIdentity)}` +
    `,"src.workload":${jsonName(record.sourceWorkload)},"dst.addr":"${record.destinationAddress}"` +
    `,"dst.service":${jsonName(record.destinationService)},"dst.identity":${jsonName(record.destinationIdentity)}` +
    `,"dst.workload":${jsonName(record.destinationWorkload)}` +
    `${record.hboneAddress === '' ? '' : `,"dst.hbone_addr":"${record.hboneAddress}"`}` +
    `${optional('policy', record.policy)}${optional('audit', record.audit)}${optional('dry_run', record.dryRun)}` +
    `,"bytes_sent":${record.bytesSent},"bytes_recv":${record.bytesReceived}` +
    `,"duration_ms":${record.durationMs.toFixed(1)}}\n`
  )
}

function optional(name: string, value: string): string {
  return value === '' ? '' : `,"${name}":${jsonName(value)}`
}
