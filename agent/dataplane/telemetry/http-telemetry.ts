import type { Clock } from '../../../mesh/std/clock.ts'
import { HttpMetrics } from './http-metrics.ts'
import type { LogFile } from './log-file.ts'
import { requestAsJson } from './request-json.ts'
import type { RequestRecord } from './request-record.ts'
import { requestAsText } from './request-text.ts'

/** How the access log writes requests; connections are JSON always. */
export type LogEncoding = 'TEXT' | 'JSON'

/** Metrics and access log of the HTTP requests of one data thread. */
export class HttpTelemetry {
  readonly metrics = new HttpMetrics()
  readonly #log: LogFile
  readonly #clock: Clock
  #line = requestAsJson

  constructor(log: LogFile, clock: Clock) {
    this.#log = log
    this.#clock = clock
  }

  /** How requests are written from now on. */
  set encoding(encoding: LogEncoding) {
    this.#line = encoding === 'TEXT' ? requestAsText : requestAsJson
  }

  /** Counts and logs a request that is over, however it ended. Its duration is taken here. */
  finish(record: RequestRecord): void {
    record.durationMs = this.#clock.monotonic() - record.since
    this.metrics.add(record)
    if (this.#log.enabled) this.#log.write(this.#line(record))
  }
}
