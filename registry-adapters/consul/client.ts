import { EventEmitter } from 'node:events'
import type { IncomingHttpHeaders } from 'node:http'
import type { Clock } from '../../mesh/std/clock.ts'
import { MeshError } from '../../mesh/std/errors.ts'
import { type Connection, createConnection, type ReadParameters, type Resource } from './connection.ts'
import { type Credentials, readCredentials, sameCredentials } from './credentials.ts'
import type { ConsulSettings } from './options.ts'

/** One answer of Consul, its body not looked at yet. */
export interface Answer {
  /** `X-Consul-Index`; 0 when it is missing or no number. */
  readonly index: bigint
  readonly body: unknown
}

/**
 * Who may answer, after Consul's "Consistency Modes": any server, the leader as it sees itself, or the leader once a
 * majority has confirmed it.
 */
export type Consistency = 'stale' | 'default' | 'consistent'

/** How to read: at once, or held by Consul until its index is beyond `index`. */
export type ReadMode =
  | { readonly kind: 'now'; readonly consistency: Consistency }
  | { readonly kind: 'blocking'; readonly consistency: Consistency; readonly index: bigint }

export interface ConsulClient {
  /**
   * Reads once. Everything that is no good answer throws WEFT_REGISTRY_UNAVAILABLE: no connection, no answer in time,
   * another status than 2xx, a server without a leader. Rejects with any error once the signal has aborted.
   */
  read(resource: Resource, mode: ReadMode, signal: AbortSignal): Promise<Answer>
  /** Ends every request and closes every socket. */
  close(): void
}

/** A follower that has not heard from its leader for longer is not believed. */
const maxLastContactMs = 60_000

/** A client with credentials read at the first request, and again at the next one after each failure. */
export function createConsulClient(settings: ConsulSettings, clock: Clock): ConsulClient {
  let current: { readonly credentials: Credentials; readonly connection: Connection } | undefined
  let suspect = true
  let closed = false

  async function connect(): Promise<Connection> {
    if (current !== undefined && !suspect) return current.connection
    const credentials = await readCredentials(settings)
    if (closed) throw new Error('the client is closed')
    suspect = false
    if (current !== undefined && sameCredentials(current.credentials, credentials)) return current.connection
    const previous = current
    current = { credentials, connection: createConnection(settings, credentials) }
    previous?.connection.close()
    return current.connection
  }

  /** Repeats a request once whose kept socket turned out to be closed: reading twice does no harm. */
  async function readTwice(resource: Resource, mode: ReadMode, signal: AbortSignal): Promise<Answer> {
    const attempt = async () => request(await connect(), resource, mode, { settings, clock, signal })
    try {
      return await attempt()
    } catch (error) {
      if (mode.kind === 'blocking' || signal.aborted || !brokenSocket(error)) throw error
      return await attempt()
    }
  }

  return {
    async read(resource, mode, signal) {
      try {
        return await readTwice(resource, mode, signal)
      } catch (error) {
        suspect = true
        throw error
      }
    },
    close() {
      closed = true
      current?.connection.close()
      current = undefined
    },
  }
}

interface RequestDeps {
  readonly settings: ConsulSettings
  readonly clock: Clock
  readonly signal: AbortSignal
}

async function request(
  connection: Connection,
  resource: Resource,
  mode: ReadMode,
  { settings, clock, signal }: RequestDeps,
): Promise<Answer> {
  signal.throwIfAborted()
  const context = Object.assign(new EventEmitter(), { includeResponse: true })
  const cancel = () => void context.emit('cancel')
  const limitMs = deadlineMs(mode, settings)
  let late = false
  const timer = clock.timer(limitMs, () => {
    late = true
    cancel()
  })
  signal.addEventListener('abort', cancel, { once: true })
  try {
    return checkAnswer(await connection.read(resource, parametersOf(mode, settings), context), resource)
  } catch (error) {
    if (late) throw unavailable('consul does not answer in time', resource, { withinMs: limitMs })
    throw error instanceof MeshError ? error : failureOf(error, resource)
  } finally {
    timer.cancel()
    signal.removeEventListener('abort', cancel)
  }
}

/** Consul holds a blocking query up to a sixteenth longer than asked, so that many clients do not return together. */
function deadlineMs(mode: ReadMode, { waitMs, pace }: ConsulSettings): number {
  return mode.kind === 'now' ? pace.answerMs : waitMs + waitMs / 16 + pace.answerMs
}

function parametersOf(mode: ReadMode, settings: ConsulSettings): ReadParameters {
  const consistency = mode.consistency === 'default' ? {} : { [mode.consistency]: true }
  return mode.kind === 'now' ? consistency : { ...consistency, index: String(mode.index), wait: `${settings.waitMs}ms` }
}

function checkAnswer(answer: unknown, resource: Resource): Answer {
  const [response, body] = answer as [{ headers: IncomingHttpHeaders }, unknown]
  const { headers } = response
  if (headers['x-consul-knownleader'] === 'false') throw unavailable('consul has no leader', resource)
  const lastContactMs = Number(headers['x-consul-lastcontact'] ?? 0)
  if (lastContactMs > maxLastContactMs) {
    throw unavailable('the consul server that answered has lost its leader', resource, { lastContactMs })
  }
  const index = String(headers['x-consul-index'] ?? '')
  return { index: /^\d{1,20}$/.test(index) ? BigInt(index) : 0n, body }
}

/** What the package rejects with: `response` is there once a status line has come. */
interface PackageError {
  readonly message: string
  readonly response?: { readonly statusCode?: number; readonly headers: IncomingHttpHeaders; readonly body?: unknown }
}

function failureOf(error: unknown, resource: Resource): MeshError {
  const { response } = error as PackageError
  const status = response?.statusCode ?? 0
  if (response === undefined || (status >= 200 && status < 300)) {
    return unavailable('consul cannot be read', resource, {}, error)
  }
  const retryAfterS = Number(response.headers['retry-after'] ?? Number.NaN)
  const said = String(response.body ?? '')
    .trim()
    .slice(0, 200)
  const fields = { status, said, ...(retryAfterS > 0 && { retryAfterMs: Math.min(retryAfterS, 60) * 1000 }) }
  if (status === 401 || status === 403) return unavailable('consul refuses the token', resource, fields)
  if (status === 429) return unavailable('consul limits the rate of requests', resource, fields)
  return unavailable('consul answers with an error', resource, fields)
}

function brokenSocket(error: unknown): boolean {
  const cause = error instanceof MeshError ? error.cause : error
  return cause instanceof Error && 'code' in cause && (cause.code === 'ECONNRESET' || cause.code === 'EPIPE')
}

function unavailable(message: string, resource: Resource, fields: object = {}, cause?: unknown): MeshError {
  const about = resource.kind === 'service' ? { read: 'service', service: resource.name } : { read: resource.kind }
  return new MeshError('WEFT_REGISTRY_UNAVAILABLE', message, { fields: { ...about, ...fields }, cause })
}
