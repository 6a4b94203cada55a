import { MeshError } from '../../../mesh/std/errors.ts'
import { type HttpHead, readBody } from '../../http.ts'
import { errorOfStatus, nomadError } from './errors.ts'
import type { RequestDeps } from './request.ts'

/** A request under way whose waits end by themselves: all failures are WEFT_REGISTRY_UNAVAILABLE. */
export interface Exchange {
  /** Resolves to status and headers; `unreachable` when they take longer. */
  head(withinMs: number): Promise<HttpHead>
  /** The whole body of a good status; throws what another status stands for. */
  text(head: HttpHead): Promise<string>
  /** The next piece of the body, undefined at its end; when it takes longer all is closed, and `late` thrown. */
  chunk(withinMs: number, late: () => MeshError): Promise<Uint8Array | undefined>
  /** True when the error is that of a kept socket which the other side had closed. */
  stale(error: unknown): boolean
  close(): void
}

/** Error texts are short; more of them is not read. */
const maxErrorBytes = 64 * 1024

/** Sends a request, which ends when the signal aborts. The caller closes it, whatever happened. */
export async function openExchange(
  path: string,
  socket: 'pooled' | 'single',
  { session, settings, clock }: RequestDeps,
  signal: AbortSignal,
): Promise<Exchange> {
  signal.throwIfAborted()
  const { bodyMs, maxAnswerBytes } = settings.limits
  const http = await session.send(path, socket)
  const abort = () => http.close()
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  let chunks: AsyncIterator<Uint8Array> | undefined

  async function within<T>(limitMs: number, late: () => MeshError, wait: () => Promise<T>): Promise<T> {
    let expired = false
    const timer = clock.timer(limitMs, () => {
      expired = true
      http.close()
    })
    try {
      return await wait()
    } catch (error) {
      throw expired ? late() : brokenConnection(path, error)
    } finally {
      timer.cancel()
    }
  }

  return {
    head(withinMs) {
      const late = () => nomadError('unreachable', 'nomad does not answer in time', { path, withinMs })
      return within(withinMs, late, () => http.head)
    },
    async text({ status, headers }) {
      const good = status >= 200 && status < 300
      const late = () => nomadError('unreachable', 'nomad does not finish its answer', { path, withinMs: bodyMs })
      const maxBytes = good ? maxAnswerBytes : maxErrorBytes
      const body = await within(bodyMs, late, () => readBody(http, maxBytes))
      if (!good) throw errorOfStatus(path, status, body ?? '', headers['retry-after'])
      if (body === undefined) throw nomadError('bad-answer', 'the answer of nomad is too large', { path, maxBytes })
      return body
    },
    async chunk(withinMs, late) {
      chunks ??= http.body[Symbol.asyncIterator]()
      const next = chunks.next()
      const { done, value } = await within(withinMs, late, () => next)
      return done ? undefined : value
    },
    stale: error => http.keptSocket && error instanceof MeshError && brokenSocketCodes.has(codeOf(error.cause)),
    close() {
      signal.removeEventListener('abort', abort)
      http.close()
    },
  }
}

const brokenSocketCodes: ReadonlySet<unknown> = new Set(['ECONNRESET', 'EPIPE'])

function brokenConnection(path: string, cause: unknown): MeshError {
  // HPE_ of the parser of node:http, Z_ of zlib: what came was no HTTP, or not compressed as it said.
  if (/^(HPE|Z)_/.test(codeOf(cause) ?? '')) return nomadError('bad-answer', 'nomad answers no http', { path }, cause)
  return nomadError('unreachable', 'nomad cannot be read', { path }, cause)
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
