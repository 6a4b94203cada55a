import type { MeshSettingsSpec } from '../../../mesh/model/traffic.ts'
import type { Clock, Random } from '../../../mesh/std/clock.ts'
import { HttpMetrics } from './http-metrics.ts'
import type { LogFile } from './log-file.ts'
import { requestAsJson } from './request-json.ts'
import type { RequestRecord } from './request-record.ts'
import { requestAsText } from './request-text.ts'
import { SpanBatch, type SpanSink } from './spans.ts'
import { Tracer } from './trace-context.ts'

/** How the access log writes requests; connections are JSON always. */
export type LogEncoding = 'TEXT' | 'JSON'

export interface HttpTelemetryDeps {
  readonly log: LogFile
  readonly clock: Clock
  readonly random: Random
  readonly spans: SpanSink
}

/** Percent of requests that are traced when nothing is said of it; Istio's. */
const defaultSampling = 1

/** Metrics, access log and traces of the HTTP requests of one data thread. */
export class HttpTelemetry {
  readonly metrics = new HttpMetrics()
  readonly #log: LogFile
  readonly #clock: Clock
  readonly #spans: SpanBatch
  readonly #tracer: Tracer
  readonly #encoding: LogEncoding
  #line = requestAsJson

  /** `encoding` is this agent's own; the mesh's settings come before it. */
  constructor({ log, clock, random, spans }: HttpTelemetryDeps, encoding: LogEncoding = 'JSON') {
    this.#log = log
    this.#clock = clock
    this.#spans = new SpanBatch(clock, spans)
    this.#tracer = new Tracer(random)
    this.#encoding = encoding
    this.configure({})
  }

  /** What the mesh wants from now on. Nothing is traced without an endpoint that gets the spans. */
  configure({ accessLogEncoding, tracing }: Pick<MeshSettingsSpec, 'accessLogEncoding' | 'tracing'>): void {
    this.#line = (accessLogEncoding ?? this.#encoding) === 'TEXT' ? requestAsText : requestAsJson
    const traces = tracing?.otlpEndpoint !== undefined
    this.#tracer.settings = traces ? { sampling: tracing.sampling ?? defaultSampling } : undefined
  }

  /** Gives a request that is to be forwarded its id and, if it is traced, its span: in its headers and its record. */
  trace(record: RequestRecord, headers: string[]): void {
    this.#tracer.begin(headers, record)
  }

  /** Counts and logs a request that is over, however it ended. Its duration is taken here. */
  finish(record: RequestRecord): void {
    record.durationMs = this.#clock.monotonic() - record.since
    this.metrics.add(record)
    if (this.#log.enabled) this.#log.write(this.#line(record))
    if (record.span !== undefined) this.#spans.add(record, record.span)
  }

  /** Hands on the spans that wait. */
  flush(): void {
    this.#spans.flush()
  }
}
