import type { Clock } from '../../../mesh/std/clock.ts'
import { MeshError } from '../../../mesh/std/errors.ts'
import { type HttpExchange, type HttpHead, readBody } from '../../http.ts'
import { createLineReader } from '../../lines.ts'
import type { KubernetesPace } from '../options.ts'
import { acceptOf, pathOf } from '../reads.ts'
import { type Asked, about, errorOfStatus, isFailure, kubernetesError } from './errors.ts'
import type { Session } from './session.ts'

export interface RequestDeps {
  readonly session: Session
  readonly pace: KubernetesPace
  readonly clock: Clock
}

/** One GET of a collection. */
export interface Query extends Asked {
  /** API version of the group. */
  readonly version: string
  readonly parameters: Readonly<Record<string, string>>
}

/** Error texts are short; more of them is not read. */
const maxErrorBytes = 64 * 1024

/**
 * Reads one answer as JSON. Throws WEFT_REGISTRY_UNAVAILABLE of some kind for everything that is no good answer, and
 * the signal's reason once that has aborted.
 */
export async function readJson(query: Query, deps: RequestDeps, signal: AbortSignal): Promise<unknown> {
  const { answerMs, bodyMs, maxPageBytes } = deps.pace
  for (let attempt = 1; ; attempt += 1) {
    const open = await openExchange(query, 'pooled', deps, signal)
    try {
      const head = await open.within(answerMs, () => open.http.head)
      if (head.status !== 200) throw await errorOf(head, open, query, bodyMs)
      const text = await open.within(bodyMs, () => readBody(open.http, maxPageBytes))
      if (text === undefined) throw badAnswer(query, 'an answer of kubernetes is too large', { maxPageBytes })
      return parse(text, query)
    } catch (error) {
      signal.throwIfAborted()
      // that the other side had closed a kept socket is no failure of its own, and reading twice does no harm
      if (attempt > 1 || !open.http.keptSocket || !isFailure(error, 'unreachable')) throw error
    } finally {
      open.close()
    }
  }
}

/**
 * Reads an answer line by line as JSON, for as long as it goes on: ends with it, when it breaks off, when it is silent
 * for `silenceMs`, and when the signal aborts. `opened` is called when it has begun. Throws as {@link readJson} does.
 */
export async function* readLines(
  query: Query,
  deps: RequestDeps,
  signal: AbortSignal,
  opened: () => void,
): AsyncGenerator<unknown, void, undefined> {
  const { answerMs, bodyMs, silenceMs, maxEventBytes } = deps.pace
  const open = await openExchange(query, 'single', deps, signal)
  try {
    const head = await open.within(answerMs, () => open.http.head)
    if (head.status !== 200) throw await errorOf(head, open, query, bodyMs)
    opened()
    const reader = createLineReader(maxEventBytes)
    const chunks = open.http.body[Symbol.asyncIterator]()
    for (;;) {
      const { kind, chunk } = await nextOf(chunks, open, silenceMs)
      if (kind === 'broken') return
      // the last line of an answer that is over may lack its end
      const lines = reader.push(chunk ?? newline)
      if (lines === undefined) throw badAnswer(query, 'an event of kubernetes is too large', { maxEventBytes })
      for (const line of lines) if (line.trim() !== '') yield parse(line, query)
      if (kind === 'end') return
    }
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    open.close()
  }
}

type Piece =
  | { readonly kind: 'piece'; readonly chunk: Uint8Array }
  | { readonly kind: 'end'; readonly chunk?: undefined }
  /** The connection failed, or was silent: what began to come is not whole. */
  | { readonly kind: 'broken'; readonly chunk?: undefined }

const newline = new Uint8Array([0x0a])

async function nextOf(chunks: AsyncIterator<Uint8Array>, open: OpenExchange, silenceMs: number): Promise<Piece> {
  try {
    const { done, value } = await open.within(silenceMs, () => chunks.next())
    return done ? { kind: 'end' } : { kind: 'piece', chunk: value }
  } catch (error) {
    if (isFailure(error, 'unreachable')) return { kind: 'broken' }
    throw error
  }
}

interface OpenExchange {
  readonly http: HttpExchange
  /** Waits; `unreachable` when it takes longer, or when the connection fails. */
  within<T>(limitMs: number, wait: () => Promise<T>): Promise<T>
  close(): void
}

async function openExchange(
  query: Query,
  socket: 'pooled' | 'single',
  { session, clock }: RequestDeps,
  signal: AbortSignal,
): Promise<OpenExchange> {
  signal.throwIfAborted()
  const path = pathOf(query.read, query.version, query.parameters)
  const http = await session.send(path, acceptOf(query.read, query.verb), socket)
  const abort = () => http.close()
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  return {
    http,
    async within(limitMs, wait) {
      let expired = false
      const timer = clock.timer(limitMs, () => {
        expired = true
        http.close()
      })
      try {
        return await wait()
      } catch (cause) {
        if (expired) throw unreachable(query, 'kubernetes does not answer in time', { withinMs: limitMs })
        throw cause instanceof MeshError ? cause : unreachable(query, 'kubernetes cannot be read', {}, tidy(cause))
      } finally {
        timer.cancel()
      }
    },
    close() {
      signal.removeEventListener('abort', abort)
      http.close()
    },
  }
}

/** The HTTP client gives some of its errors a cause that is none, and reads badly in messages. */
function tidy(error: unknown): unknown {
  return error instanceof Error && !(error.cause instanceof Error) ? new Error(error.message) : error
}

async function errorOf(head: HttpHead, open: OpenExchange, query: Query, bodyMs: number): Promise<MeshError> {
  const text = await open.within(bodyMs, () => readBody(open.http, maxErrorBytes))
  return errorOfStatus(query, head.status, text ?? '', head.headers['retry-after'])
}

function parse(text: string, query: Query): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw badAnswer(query, 'an answer of kubernetes is no json', {}, cause)
  }
}

function badAnswer(query: Query, message: string, fields: object, cause?: unknown): MeshError {
  return kubernetesError('bad-answer', message, { ...about(query), ...fields }, { cause })
}

function unreachable(query: Query, message: string, fields: object, cause?: unknown): MeshError {
  return kubernetesError('unreachable', message, { ...about(query), ...fields }, { cause })
}
