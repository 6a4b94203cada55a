import type { AgentConfig } from '../../mesh/model/agent-config.ts'
import type { Clock, Random } from '../../mesh/std/clock.ts'
import { callerOf } from './caller.ts'
import { claimedBy } from './caller-claims.ts'
import { FlowRecorder } from './flows/flow-recorder.ts'
import { BlockPool } from './h2/blocks.ts'
import type { InboundRequests } from './hbone/inbound-requests.ts'
import { isNarrower } from './hbone/peer-trust.ts'
import { HbonePool } from './hbone/pool.ts'
import { HboneServer } from './hbone/server.ts'
import { defaultHbonePort } from './hbone/settings.ts'
import { serveInbound } from './http/inbound-requests.ts'
import { HttpConnections } from './http/serve.ts'
import { Http1Shared } from './http1/shared.ts'
import { Listeners } from './listeners.ts'
import type {
  BoundListener,
  Credential,
  DataThreadReport,
  EjectionNotice,
  ListenerSpec,
  NameAnswer,
  RejectedResource,
} from './messages.ts'
import { Names } from './names.ts'
import { LiveCalls } from './policy/live-calls.ts'
import { ReadGarbage } from './read-garbage.ts'
import { redirectedFrom } from './redirected.ts'
import { ServerTlsHandshakes } from './server-tls.ts'
import type { ThreadState } from './state.ts'
import { buildTable } from './table.ts'
import { openAccessLog } from './telemetry/access-log.ts'
import { HttpTelemetry, type LogEncoding } from './telemetry/http-telemetry.ts'
import type { SpanSink } from './telemetry/spans.ts'
import { TcpMetrics } from './telemetry/tcp-metrics.ts'
import { Telemetry } from './telemetry/telemetry.ts'
import { TlsContexts } from './tls-contexts.ts'
import { ConnectionPool } from './transport/connection-pool.ts'
import { defaultCredentialDirectory } from './transport/origin-tls.ts'
import { Upstreams } from './transport/upstreams.ts'
import { Clusters } from './upstream/clusters.ts'
import { InboundLimits } from './upstream/inbound-limits.ts'
import { SharedCounts } from './upstream/shared-counts.ts'

export interface ThreadOptions {
  /** Path of the access log, `-` for standard output; absent for none. */
  readonly accessLog?: string
  /** How it has HTTP requests, unless the mesh says it; JSON when left out. */
  readonly accessLogEncoding?: LogEncoding
  /** Where other agents serve HBONE; Istio's port when left out. */
  readonly hbonePort?: number
  /** Directory of named credentials: a directory each; Weft's own when left out. */
  readonly credentialDirectory?: string
  /** Directories of unix sockets that may be delivered to; none when left out. */
  readonly socketDirectories?: readonly string[]
  /** Most connections that are accepted at once; without a number there is no limit. */
  readonly maxConnections?: number
  /** Whether it is noted who calls; not when left out. */
  readonly recordsFlows?: boolean
  /** Lets limits hold for all threads together: the memory that they share, made by SharedCounts.buffer. */
  readonly counts?: { readonly buffer: SharedArrayBuffer; readonly thread: number; readonly threads: number }
}

type Kernel = Pick<ThreadState, 'originalDst' | 'callerOf'> & Partial<Pick<ThreadState, 'claimedBy'>>

const drainPollMs = 50

/** One data thread's parts: takes config, credentials and listeners, and moves bytes. It never asks anyone. */
export class ThreadCore {
  readonly #state: ThreadState
  readonly #listeners: Listeners
  readonly #hbone: HboneServer
  readonly #accessLog
  readonly #socketDirectories: readonly string[]
  #credentials: readonly Credential[] = []
  #config: AgentConfig | undefined

  /**
   * What asks the kernel is handed in so that tests need no interception; `spans` gets those of traced requests, `ejections`
   * what outlier detection does, `lookUp` the names that calls are for.
   */
  constructor(
    options: ThreadOptions,
    clock: Clock,
    random: Random,
    kernel: Kernel = { originalDst: redirectedFrom, callerOf },
    spans: SpanSink = () => {},
    ejections: (notice: EjectionNotice) => void = () => {},
    lookUp: (name: string) => void = () => {},
  ) {
    const blocks = new BlockPool()
    const reads = new ReadGarbage()
    this.#accessLog = openAccessLog(options.accessLog, clock)
    const http = new HttpTelemetry({ log: this.#accessLog, clock, random, spans }, options.accessLogEncoding)
    const connections = new ConnectionPool(clock)
    const shared = options.counts
    const counts = shared && new SharedCounts(shared.buffer, shared.thread, shared.threads)
    const state: Omit<ThreadState, 'upstreams' | 'inboundRequests'> = {
      table: undefined,
      contexts: new TlsContexts([], undefined),
      draining: false,
      pool: new HbonePool(clock, { blocks, reads }),
      httpConnections: new HttpConnections(),
      connections,
      inboundLimits: new InboundLimits(clock, counts),
      clusters: new Clusters({
        clock,
        random,
        counts,
        observe(cluster, event) {
          if (event.kind === 'ejected') http.metrics.ejected(event.cause)
          const { endpoint, ...rest } = event
          ejections({ ...rest, cluster, endpoint: endpoint.key })
        },
      }),
      names: new Names(clock, lookUp),
      liveCalls: new LiveCalls(),
      flows: options.recordsFlows === true ? new FlowRecorder(clock) : undefined,
      serverTls: new ServerTlsHandshakes(clock),
      http1: new Http1Shared(),
      blocks,
      reads,
      credentialDirectory: options.credentialDirectory ?? defaultCredentialDirectory,
      hbonePort: options.hbonePort ?? defaultHbonePort,
      claimedBy,
      ...kernel,
      telemetry: new Telemetry(new TcpMetrics(), http, this.#accessLog, clock, bytes => reads.passed(bytes)),
      clock,
      random,
    }
    const whole: ThreadState = Object.assign(state, {
      upstreams: new Upstreams(state, connections),
      inboundRequests: {
        request: (...all: Parameters<InboundRequests['request']>) => inbound.request(...all),
        tunnel: (...all: Parameters<InboundRequests['tunnel']>) => inbound.tunnel(...all),
      },
    })
    const inbound = serveInbound(whole)
    this.#state = whole
    this.#hbone = new HboneServer(this.#state)
    const { maxConnections = Number.POSITIVE_INFINITY, socketDirectories = [] } = options
    this.#socketDirectories = socketDirectories
    this.#listeners = new Listeners(this.#state, this.#hbone, maxConnections)
  }

  /** Builds the whole table, then swaps it in one assignment; returns what could not be used. */
  config(config: AgentConfig): readonly RejectedResource[] {
    const { table, rejected } = buildTable(config, this.#state.table, this.#socketDirectories)
    const before = this.#config?.trust
    this.#config = config
    this.#state.table = table
    this.#state.telemetry.http.configure(config.traffic.mesh)
    if (JSON.stringify(config.trust) !== JSON.stringify(before)) this.#renewContexts()
    if (before !== undefined && isNarrower(config.trust, before)) {
      this.#state.pool.judgeAgain(config.trust)
      this.#hbone.judgeAgain(config.trust)
    }
    this.#state.liveCalls.judgeAgain(table)
    this.#state.clusters.prune(table)
    this.#state.inboundLimits.prune(table)
    return rejected
  }

  credentials(credentials: readonly Credential[]): void {
    this.#credentials = credentials
    this.#renewContexts()
  }

  lookedUp(answer: NameAnswer): void {
    this.#state.names.learn(answer)
  }

  takeFlows() {
    return this.#state.flows?.take() ?? { flows: [], dropped: 0 }
  }

  listen(specs: readonly ListenerSpec[]): Promise<readonly BoundListener[]> {
    return this.#listeners.set(specs)
  }

  report(): DataThreadReport {
    const { telemetry, pool, clusters } = this.#state
    const gauges = {
      openConnections: telemetry.openConnections,
      pooledSessions: pool.sessions + this.#hbone.sessions,
      openStreams: pool.openStreams,
    }
    const ejections = { active: clusters.ejectionsActive, totals: telemetry.http.metrics.ejections }
    return { ...telemetry.report(), gauges, ejections }
  }

  /** Takes nothing new, waits for what is open up to the deadline, then cuts it. */
  async drain(deadlineMs: number): Promise<void> {
    const { clock, pool, telemetry } = this.#state
    this.#state.draining = true
    this.#listeners.close()
    this.#hbone.drain()
    this.#state.httpConnections.drain()
    const deadline = clock.monotonic() + deadlineMs
    // Connections that carry requests close by themselves once their peers know that they shall send no more of them.
    const hasOpen = () =>
      telemetry.openConnections > 0 || this.#hbone.sessions > 0 || this.#state.httpConnections.size > 0
    while (hasOpen() && clock.monotonic() < deadline) {
      await new Promise<void>(resolve => clock.timer(drainPollMs, resolve))
    }
    this.#state.httpConnections.destroy('the agent stopped')
    this.#state.connections.destroy('the agent stopped')
    this.#state.clusters.stop()
    pool.destroy()
    this.#hbone.destroy()
    for (const socket of this.#listeners.sockets) socket.destroy()
    telemetry.http.flush()
    await this.#accessLog.stop()
  }

  /** Identities whose key, chain and trust are unchanged keep their context, and with it their pooled sessions. */
  #renewContexts(): void {
    this.#state.contexts = this.#state.contexts.next(this.#credentials, this.#config?.trust)
    this.#listeners.present(this.#state.contexts)
    this.#state.pool.renew(this.#state.contexts)
    this.#hbone.renew(this.#state.contexts)
  }
}
