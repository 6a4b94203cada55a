import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { describeError, MeshError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import { ownConnectionsPerThread } from './connection-limit.ts'
import type { DataPlane } from './dataplane.ts'
import type {
  BoundListener,
  Credential,
  DataThreadReport,
  EjectionNotice,
  FinishedSpan,
  FromDataThread,
  ListenerSpec,
  NameAnswer,
  RejectedResource,
  ToDataThread,
} from './messages.ts'
import { addReports } from './reports.ts'
import type { ThreadOptions } from './thread-core.ts'
import { SharedCounts } from './upstream/shared-counts.ts'

export interface DataPlaneDeps {
  readonly log: Log
  /** A data thread ended by itself: the agent cannot go on, its supervisor starts it again. */
  failed(error: Error): void
  /** Requests that were traced. */
  spans?(spans: readonly FinishedSpan[]): void
  /** Looks up a name that a call is for; never rejects. Without it no name is found. */
  lookUp?(name: string): Promise<NameAnswer>
}

export interface DataPlaneOptions extends ThreadOptions {
  readonly threads: number
}

/**
 * V8's young generation per thread, in MiB (three semi-spaces of 4): most of what a proxy allocates dies young, and
 * more than this costs memory and brings nothing that can be measured.
 */
const youngGenerationMb = 12

/** Starts the data threads; nothing listens yet. */
export function startDataPlane(deps: DataPlaneDeps, options: DataPlaneOptions): DataPlane {
  const entry = new URL(`./thread${extname(import.meta.filename)}`, import.meta.url)
  const { threads: count, maxConnections = ownConnectionsPerThread(count), ...rest } = options
  // One thread alone has nobody to share with.
  const buffer = count > 1 ? SharedCounts.buffer(count) : undefined
  const threads = Array.from({ length: count }, (_, thread) => {
    const counts = buffer && { buffer, thread, threads: count }
    return new DataThread(entry, { ...rest, maxConnections, ...(counts && { counts }) }, deps)
  })
  let generation = 0
  return {
    async apply(config) {
      generation += 1
      const message = { kind: 'config', generation, config } as const
      const answers = await Promise.all(threads.map(thread => thread.ask(message, 'applied')))
      const rejected = new Map<string, RejectedResource>()
      for (const answer of answers) for (const one of answer.rejected) rejected.set(one.name, one)
      return [...rejected.values()]
    },
    credentials(credentials: readonly Credential[]) {
      generation += 1
      for (const thread of threads) thread.tell({ kind: 'credentials', generation, credentials })
    },
    async listen(listeners: readonly ListenerSpec[]): Promise<readonly BoundListener[]> {
      generation += 1
      // One after the other: a port 0 that the first thread was given is the port of the others.
      let specs = listeners
      let bound: readonly BoundListener[] = []
      for (const thread of threads) {
        const answer = await thread.ask({ kind: 'listen', id: generation, listeners: specs }, 'listening')
        bound = bound.length === 0 ? answer.bound : bound.map((one, at) => firstError(one, answer.bound[at]))
        specs = specs.map((spec, at) => ({ ...spec, port: bound[at]?.port ?? spec.port }))
      }
      return bound
    },
    async collect(): Promise<DataThreadReport> {
      generation += 1
      const message = { kind: 'collect', id: generation } as const
      const answers = await Promise.all(threads.map(thread => thread.ask(message, 'collected')))
      return addReports(answers.map(answer => answer.report))
    },
    async takeFlows() {
      const answers = await Promise.all(threads.map(thread => thread.ask({ kind: 'take-flows' }, 'flows')))
      return {
        flows: answers.flatMap(answer => answer.flows),
        dropped: answers.reduce((sum, answer) => sum + answer.dropped, 0),
      }
    },
    async drain(deadlineMs) {
      await Promise.all(threads.map(thread => thread.ask({ kind: 'drain', deadlineMs }, 'drained')))
    },
    async stop() {
      await Promise.all(threads.map(thread => thread.stop()))
    },
  }
}

function firstError(one: BoundListener, other: BoundListener | undefined): BoundListener {
  return one.error === undefined && other?.error !== undefined ? other : one
}

interface Waiting {
  readonly kind: FromDataThread['kind']
  resolve(answer: FromDataThread): void
  reject(error: Error): void
}

/** One worker thread, asked one thing of a kind at a time and answering in order. When it ends, whoever waits is told. */
class DataThread {
  readonly #worker: Worker
  readonly #waiting: Waiting[] = []
  #stopping = false
  #ended = false

  constructor(entry: URL, options: ThreadOptions, deps: DataPlaneDeps) {
    this.#worker = new Worker(entry, {
      workerData: options,
      resourceLimits: { maxYoungGenerationSizeMb: youngGenerationMb },
    })
    this.#worker.on('message', (answer: FromDataThread) => {
      if (answer.kind === 'spans') return deps.spans?.(answer.spans)
      if (answer.kind === 'look-up') return void this.#lookUp(answer.name, deps)
      if (answer.kind === 'ejection') return logEjection(deps.log, answer.notice)
      const at = this.#waiting.findIndex(waiting => waiting.kind === answer.kind)
      const [waiting] = at < 0 ? [] : this.#waiting.splice(at, 1)
      waiting?.resolve(answer)
    })
    this.#worker.on('error', error => {
      deps.log.error('a data thread failed', { error: describeError(error) })
      deps.failed(error instanceof Error ? error : new Error(String(error)))
    })
    this.#worker.on('exit', code => {
      this.#ended = true
      for (const { reject } of this.#waiting.splice(0)) reject(ended())
      if (!this.#stopping) deps.failed(new Error(`a data thread ended by itself with code ${code}`))
    })
  }

  async #lookUp(name: string, deps: DataPlaneDeps): Promise<void> {
    const nobody = { name, addresses: [], ttlMs: 0, reason: 'this agent looks nothing up' }
    this.tell({ kind: 'looked-up', answer: (await deps.lookUp?.(name)) ?? nobody })
  }

  tell(message: ToDataThread): void {
    this.#worker.postMessage(message)
  }

  ask<K extends FromDataThread['kind']>(message: ToDataThread, kind: K): Promise<Extract<FromDataThread, { kind: K }>> {
    if (this.#ended) return Promise.reject(ended())
    return new Promise((resolve, reject) => {
      this.#waiting.push({ kind, resolve: answer => resolve(answer as Extract<FromDataThread, { kind: K }>), reject })
      this.#worker.postMessage(message)
    })
  }

  async stop(): Promise<void> {
    this.#stopping = true
    await this.#worker.terminate()
  }
}

function logEjection(log: Log, notice: EjectionNotice): void {
  const { kind, ...fields } = notice
  log.info(kind === 'ejected' ? 'an endpoint is out of use' : 'an endpoint is in use again', fields)
}

function ended(): MeshError {
  return new MeshError('WEFT_AGENT_FAILED', 'a data thread has ended')
}
