import type { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import type { Resource } from '@opentelemetry/resources'
import { type Clock, sleep } from '../../mesh/std/clock.ts'
import { describeError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import type { FinishedSpan } from '../dataplane/messages.ts'

export interface SpanExporterDeps {
  readonly log: Log
  readonly clock: Clock
}

/** Sends finished spans to a collector by OTLP over HTTP, in JSON. It holds nobody up, and loses spans rather. */
export interface SpanExporter {
  /** Where to send from now on, `http://host:4318` (`/v1/traces` comes after its path); undefined sends nothing. */
  configure(endpoint: string | undefined): void
  add(spans: readonly FinishedSpan[]): void
  /** Spans that were given up: no collector, or not fast enough. */
  dropped(): number
  /** Sends what is left, for a second at most. */
  stop(): Promise<void>
}

const maxWaiting = 4096
const batchSize = 512
const stopMs = 1000

type Span = Parameters<OTLPTraceExporter['export']>[0][number]

/** What the packages are needed for; they are loaded with the first span, since they cost much memory. */
interface Sender {
  readonly endpoint: string
  send(spans: readonly FinishedSpan[]): Promise<void>
  stop(): Promise<void>
}

/** `node` is this host's name in the mesh. */
export function createSpanExporter({ log, clock }: SpanExporterDeps, node: string, version: string): SpanExporter {
  const stopping = new AbortController()
  let endpoint: string | undefined
  let sender: Sender | undefined
  let waiting: FinishedSpan[] = []
  let dropped = 0
  let failing = false
  let sending: Promise<void> | undefined

  async function senderFor(wanted: string): Promise<Sender> {
    if (sender?.endpoint === wanted) return sender
    await sender?.stop()
    sender = await createSender(wanted, node, version)
    return sender
  }

  async function sendAll(): Promise<void> {
    while (waiting.length > 0 && endpoint !== undefined) {
      const batch = waiting.slice(0, batchSize)
      waiting = waiting.slice(batchSize)
      try {
        await (await senderFor(endpoint)).send(batch)
        if (failing) log.info('spans are delivered again', { endpoint })
        failing = false
      } catch (error) {
        dropped += batch.length
        if (!failing) log.warn('spans cannot be delivered and are lost', { endpoint, error: describeError(error) })
        failing = true
      }
    }
    sending = undefined
  }

  return {
    configure(wanted) {
      endpoint = wanted
      if (wanted === undefined) waiting = []
    },
    add(spans) {
      if (endpoint === undefined || stopping.signal.aborted) return
      const room = Math.max(0, maxWaiting - waiting.length)
      dropped += Math.max(0, spans.length - room)
      waiting.push(...spans.slice(0, room))
      sending ??= sendAll()
    },
    dropped: () => dropped,
    async stop() {
      if (stopping.signal.aborted) return
      const patience = new AbortController()
      await Promise.race([sending, sleep(clock, stopMs, patience.signal)])
      patience.abort()
      stopping.abort()
      endpoint = undefined
      dropped += waiting.length
      waiting = []
      await sender?.stop()
    },
  }
}

async function createSender(endpoint: string, node: string, version: string): Promise<Sender> {
  const [api, { OTLPTraceExporter }, { resourceFromAttributes }] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
  ])
  const exporter = new OTLPTraceExporter({ url: tracesUrl(endpoint) })
  const resources = new Map<string, Resource>()

  /** Whose spans they are: one for each workload of this host. */
  function resourceOf(service: string): Resource {
    let resource = resources.get(service)
    if (resource === undefined) {
      resource = resourceFromAttributes({ 'service.name': service, 'host.name': node })
      resources.set(service, resource)
    }
    return resource
  }

  function readable(span: FinishedSpan): Span {
    const context = (spanId: string) => {
      const traceState = span.traceState === '' ? undefined : api.createTraceState(span.traceState)
      return { traceId: span.traceId, spanId, traceFlags: api.TraceFlags.SAMPLED, ...(traceState && { traceState }) }
    }
    const own = context(span.spanId)
    return {
      name: span.name,
      kind: span.kind === 'client' ? api.SpanKind.CLIENT : api.SpanKind.SERVER,
      spanContext: () => own,
      ...(span.parentId !== '' && { parentSpanContext: { ...context(span.parentId), isRemote: true } }),
      startTime: hrTime(span.startedAt),
      endTime: hrTime(span.startedAt + span.durationMs),
      duration: hrTime(span.durationMs),
      status: { code: span.isError ? api.SpanStatusCode.ERROR : api.SpanStatusCode.UNSET },
      attributes: { ...span.attributes, node_id: node },
      links: [],
      events: [],
      ended: true,
      resource: resourceOf(span.service),
      instrumentationScope: { name: 'weft', version },
      droppedAttributesCount: 0,
      droppedEventsCount: 0,
      droppedLinksCount: 0,
    }
  }

  return {
    endpoint,
    send: spans =>
      new Promise((resolve, reject) => {
        exporter.export(spans.map(readable), ({ code, error }) => {
          if (code === 0) resolve()
          else reject(error ?? new Error('the exporter failed'))
        })
      }),
    stop: () => exporter.shutdown(),
  }
}

/** OTLP's path below the collector's address, unless it is there already. */
function tracesUrl(endpoint: string): string {
  const url = new URL(endpoint)
  if (!url.pathname.endsWith('/v1/traces')) url.pathname = `${url.pathname.replace(/\/$/, '')}/v1/traces`
  return url.href
}

const nanosInMs = 1_000_000

/** Seconds and nanoseconds. */
function hrTime(ms: number): [number, number] {
  const seconds = Math.floor(ms / 1000)
  return [seconds, Math.floor((ms - seconds * 1000) * nanosInMs)]
}
