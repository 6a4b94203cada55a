import type { Clock } from '../../../mesh/std/clock.ts'
import type { DataThreadReport } from '../messages.ts'
import type { Reason } from '../reasons.ts'
import type { AccessLog, AccessRecord } from './access-log.ts'
import { DryRuns } from './dry-runs.ts'
import type { HttpTelemetry } from './http-telemetry.ts'
import type { TcpCounters, TcpMetrics } from './tcp-metrics.ts'

/** The part of an access record that is found out while a connection is being decided. */
export type ConnectionFacts = {
  -readonly [K in Exclude<
    keyof AccessRecord,
    'verdict' | 'reason' | 'detail' | 'bytesSent' | 'bytesReceived' | 'durationMs'
  >]: AccessRecord[K]
}

/** Metrics and access log of one data thread. */
export class Telemetry {
  readonly metrics: TcpMetrics
  readonly http: HttpTelemetry
  readonly dryRuns = new DryRuns()
  readonly #log: AccessLog
  readonly #clock: Clock
  /** Is told of all bytes that pass, as they do. */
  readonly passed: (bytes: number) => void
  openConnections = 0

  constructor(
    metrics: TcpMetrics,
    http: HttpTelemetry,
    log: AccessLog,
    clock: Clock,
    passed: (bytes: number) => void = () => {},
  ) {
    this.metrics = metrics
    this.http = http
    this.#log = log
    this.#clock = clock
    this.passed = passed
  }

  /** All that was counted since the thread started. */
  report(): Omit<DataThreadReport, 'gauges' | 'ejections'> {
    const counts = { ...this.metrics.report(), ...this.http.metrics.report(), dryRuns: this.dryRuns.report() }
    return { ...counts, droppedLogLines: this.#log.dropped() }
  }

  /** Counts and logs a connection that was never let through. */
  refuse(facts: ConnectionFacts, reason: Reason, detail: string, since: number): void {
    this.metrics.refused(facts.direction, reason)
    this.#log.connection({
      ...facts,
      verdict: 'refused',
      reason,
      detail,
      bytesSent: 0,
      bytesReceived: 0,
      durationMs: this.#clock.monotonic() - since,
    })
  }

  /** Begins the record of a connection that is let through. */
  open(facts: ConnectionFacts, counters: TcpCounters, since: number): ConnectionRecord {
    counters.opened += 1
    this.openConnections += 1
    return new ConnectionRecord(facts, counters, since, this.passed, this.#closed)
  }

  readonly #closed = (record: ConnectionRecord): void => {
    this.openConnections -= 1
    record.counters.closed += 1
    this.#log.connection({
      ...record.facts,
      verdict: 'allowed',
      reason: record.reason,
      detail: record.detail,
      bytesSent: record.sentBytes,
      bytesReceived: record.receivedBytes,
      durationMs: this.#clock.monotonic() - record.since,
    })
  }
}

/** One connection that is let through, from its opening to its single line in the access log. */
export class ConnectionRecord {
  readonly facts: ConnectionFacts
  readonly counters: TcpCounters
  readonly since: number
  sentBytes = 0
  receivedBytes = 0
  reason: Reason = 'OK'
  detail = ''
  readonly #passed: (bytes: number) => void
  readonly #closed: (record: ConnectionRecord) => void
  #over = false

  constructor(
    facts: ConnectionFacts,
    counters: TcpCounters,
    since: number,
    passed: (bytes: number) => void,
    closed: (record: ConnectionRecord) => void,
  ) {
    this.facts = facts
    this.counters = counters
    this.since = since
    this.#passed = passed
    this.#closed = closed
  }

  /** Bytes the caller sent. */
  sent(bytes: number): void {
    this.sentBytes += bytes
    this.counters.sentBytes += bytes
    this.#passed(bytes)
  }

  /** Bytes the caller received. */
  received(bytes: number): void {
    this.receivedBytes += bytes
    this.counters.receivedBytes += bytes
    this.#passed(bytes)
  }

  /** Ends the record; only the first call counts. */
  end(reason: Reason, detail: string): void {
    if (this.#over) return
    this.#over = true
    this.reason = reason
    this.detail = detail
    this.#closed(this)
  }
}
