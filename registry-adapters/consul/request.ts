import { EventEmitter } from 'node:events'
import type { IncomingHttpHeaders } from 'node:http'
import type { Clock } from '../../mesh/std/clock.ts'
import { MeshError } from '../../mesh/std/errors.ts'

/** One answer of Consul, its body not looked at yet. */
export interface Answer {
  /** `X-Consul-Index`; 0 when it is missing or no number. */
  readonly index: bigint
  readonly body: unknown
}

export interface RequestDeps {
  readonly clock: Clock
  readonly signal: AbortSignal
  /** The answer must be there within this. */
  readonly limitMs: number
  /** Values for errors that say what was asked of whom. */
  readonly about: Readonly<Record<string, unknown>>
}

/** A follower that has not heard from its leader for longer is not believed. */
const maxLastContactMs = 60_000

/**
 * Sends one request, whose context ends it. Everything that is no good answer throws WEFT_REGISTRY_UNAVAILABLE, with
 * `status` where there is one: no connection, no answer in time, another status than 2xx, a server without a leader.
 * A question that Consul does not understand throws WEFT_CONFIG_INVALID: it comes from the registry's options.
 */
export async function request(send: (context: object) => Promise<unknown>, deps: RequestDeps): Promise<Answer> {
  const { clock, signal, limitMs, about } = deps
  signal.throwIfAborted()
  const context = Object.assign(new EventEmitter(), { includeResponse: true })
  const cancel = () => void context.emit('cancel')
  let late = false
  const timer = clock.timer(limitMs, () => {
    late = true
    cancel()
  })
  signal.addEventListener('abort', cancel, { once: true })
  try {
    return checkAnswer(await send(context), about)
  } catch (error) {
    if (late) throw unavailable('consul does not answer in time', { ...about, withinMs: limitMs })
    throw error instanceof MeshError ? error : failureOf(error, about)
  } finally {
    timer.cancel()
    signal.removeEventListener('abort', cancel)
  }
}

/** True for a failure that may be this server's alone, so that another one may do better. */
export function isServersFault(error: unknown): boolean {
  if (!(error instanceof MeshError) || error.code !== 'WEFT_REGISTRY_UNAVAILABLE') return false
  const { status } = error.fields
  return typeof status !== 'number' || status === 429 || status >= 500
}

/** True when the socket turned out to be closed: what only reads may be asked again. */
export function isBrokenSocket(error: unknown): boolean {
  const cause = error instanceof MeshError ? error.cause : error
  return cause instanceof Error && 'code' in cause && (cause.code === 'ECONNRESET' || cause.code === 'EPIPE')
}

/** True for what a Consul does whose client has too many connections: it hangs up, or says so with 429. */
export function isRefusal(error: unknown): boolean {
  return isBrokenSocket(error) || (error instanceof MeshError && error.fields.status === 429)
}

function checkAnswer(answer: unknown, about: RequestDeps['about']): Answer {
  const [response, body] = answer as [{ headers: IncomingHttpHeaders }, unknown]
  const { headers } = response
  if (headers['x-consul-knownleader'] === 'false') throw unavailable('consul has no leader', about)
  const lastContactMs = Number(headers['x-consul-lastcontact'] ?? 0)
  if (lastContactMs > maxLastContactMs) {
    throw unavailable('the consul server that answered has lost its leader', { ...about, lastContactMs })
  }
  const index = String(headers['x-consul-index'] ?? '')
  return { index: /^\d{1,20}$/.test(index) ? BigInt(index) : 0n, body }
}

/** What the package rejects with: `response` is there once a status line has come. */
interface PackageError {
  readonly message: string
  readonly response?: { readonly statusCode?: number; readonly headers: IncomingHttpHeaders; readonly body?: unknown }
}

function failureOf(error: unknown, about: RequestDeps['about']): MeshError {
  const { response } = error as PackageError
  const status = response?.statusCode ?? 0
  if (response === undefined || (status >= 200 && status < 300)) {
    return unavailable('consul cannot be read', about, { cause: error })
  }
  const retryAfterS = Number(response.headers['retry-after'] ?? Number.NaN)
  const said = String(response.body ?? '')
    .trim()
    .slice(0, 200)
  const fields = { ...about, status, said, ...(retryAfterS > 0 && { retryAfterMs: Math.min(retryAfterS, 60) * 1000 }) }
  // A filter is refused with 400 by newer versions, and as an error of the server's by older ones.
  if (about.read !== undefined && (status === 400 || /boolean expression/.test(said))) {
    const next = nextOf(about, said)
    return new MeshError('WEFT_CONFIG_INVALID', "consul does not understand the registry's options", { fields, next })
  }
  if (status === 401 || status === 403) return unavailable('consul refuses the token', fields)
  if (status === 429) return unavailable('consul limits the rate of requests', fields)
  return unavailable('consul answers with an error', fields)
}

/** Which option this Consul can do nothing with: the one it names, or the filter. */
function nextOf(about: RequestDeps['about'], said: string): string {
  if (/namespace|"ns"/i.test(said)) return 'leave the option consulNamespace out: only Consul Enterprise has namespaces'
  if (/partition/i.test(said)) return 'leave the option partition out: only Consul Enterprise has admin partitions'
  if (about.filter !== undefined)
    return "correct the option filter: it is an expression of Consul's own filter language"
  return "check the registry's options datacenter and filter"
}

function unavailable(
  message: string,
  fields: Readonly<Record<string, unknown>>,
  more: { readonly cause?: unknown } = {},
): MeshError {
  return new MeshError('WEFT_REGISTRY_UNAVAILABLE', message, { fields, ...more })
}
