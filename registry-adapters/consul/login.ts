import type { Clock, Random } from '../../mesh/std/clock.ts'
import { MeshError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import type { Write } from './connection.ts'
import type { ConsulPace } from './options.ts'
import type { Answer } from './request.ts'
import { readCredential } from './tls-files.ts'
import { lookMs, type TokenSource } from './token.ts'

/** How to obtain a token by an auth method of Consul. */
export interface ConsulLogin {
  /** Name of the auth method. */
  readonly method: string
  /** File with the bearer token that the method takes: a JWT. Read at each login. */
  readonly bearerTokenFile: string
}

export interface LoginDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly pace: ConsulPace
  send(write: Write, token: string | undefined, signal: AbortSignal): Promise<Answer>
}

interface Obtained {
  readonly token: string
  /** What it was obtained with. */
  readonly bearer: string
  /** On the monotonic clock: when it was obtained, when to obtain the next one, and when it is worth nothing. */
  readonly at: number
  readonly renewAt: number
  readonly endsAt: number
}

/** The last request of a process that stops must not hold it up. */
const logoutMs = 3_000

/**
 * A token by `/v1/acl/login`, kept in memory: obtained anew when Consul refuses it, when the file has other content,
 * and when most of its life is over; given back by `/v1/acl/logout`.
 */
export function loginToken(login: ConsulLogin, deps: LoginDeps): TokenSource {
  const { clock, random, log, pace } = deps
  let obtained: Obtained | undefined
  let lookAt = 0
  let pending: Promise<Obtained> | undefined
  const closing = new AbortController()

  async function obtain(): Promise<Obtained> {
    lookAt = clock.monotonic() + lookMs
    const bearer = (await readCredential(login.bearerTokenFile)).trim()
    const at = clock.monotonic()
    if (obtained !== undefined && obtained.bearer === bearer && at < obtained.renewAt) return obtained
    const body = { AuthMethod: login.method, BearerToken: bearer, Meta: { client: 'weft' } }
    const answer = await deps.send({ method: 'POST', path: '/acl/login', body }, undefined, closing.signal)
    const { token, lifeMs } = parseToken(answer.body, clock.now())
    const previous = obtained
    obtained = { token, bearer, at, renewAt: at + lifeMs * (0.6 + random() * 0.2), endsAt: at + lifeMs }
    if (previous !== undefined) void logout(previous.token, closing.signal)
    return obtained
  }

  /** What is still worth something is used while no other can be had. */
  async function obtainOrKeep(): Promise<Obtained> {
    try {
      return await obtain()
    } catch (error) {
      if (obtained === undefined || clock.monotonic() >= obtained.endsAt) throw error
      log.warn('the token of consul cannot be renewed', { method: login.method, error })
      return obtained
    }
  }

  /** A token that nobody gives back ends by itself where its method says so; Consul keeps it for ever where not. */
  async function logout(token: string, signal: AbortSignal): Promise<void> {
    try {
      await deps.send({ method: 'POST', path: '/acl/logout' }, token, signal)
    } catch (error) {
      log.warn('a token of consul could not be given back', { method: login.method, error })
    }
  }

  return {
    async current() {
      if (obtained !== undefined && clock.monotonic() < lookAt) return obtained.token
      pending ??= obtainOrKeep().finally(() => {
        pending = undefined
      })
      return (await pending).token
    },
    async refused(token) {
      if (obtained === undefined || obtained.token !== token) return true
      // A new token takes a moment to be known by all servers; and logging in over and over would help nobody.
      if (clock.monotonic() - obtained.at < pace.backoffCapMs) return false
      obtained = undefined
      return true
    },
    async close() {
      closing.abort()
      if (obtained === undefined) return
      const giveUp = new AbortController()
      const timer = clock.timer(logoutMs, () => giveUp.abort())
      await logout(obtained.token, giveUp.signal)
      timer.cancel()
    },
  }
}

/** Reads an answer of `/v1/acl/login`; throws WEFT_REGISTRY_UNAVAILABLE for another shape. */
function parseToken(body: unknown, now: number): { readonly token: string; readonly lifeMs: number } {
  const { SecretID: token, ExpirationTime: ends } = (body ?? {}) as { SecretID?: unknown; ExpirationTime?: unknown }
  if (typeof token !== 'string' || token === '') {
    throw new MeshError('WEFT_REGISTRY_UNAVAILABLE', 'consul answers a login with something of another shape')
  }
  const endsAt = typeof ends === 'string' ? Date.parse(ends) : Number.NaN
  return { token, lifeMs: Number.isNaN(endsAt) ? Number.POSITIVE_INFINITY : Math.max(0, endsAt - now) }
}
