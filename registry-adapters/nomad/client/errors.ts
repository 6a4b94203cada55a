import { MeshError } from '../../../mesh/std/errors.ts'

/** Why Nomad could not be read, for callers to switch on. */
export type NomadFailure =
  /** No connection, no answer in time, or it broke off. */
  | 'unreachable'
  /** A token or TLS file cannot be read. */
  | 'credentials'
  /** The servers have no leader, or the client agent that was asked has no server. */
  | 'no-leader'
  /** The token is missing, unknown, expired, or lacks a right: Nomad does not tell which. */
  | 'denied'
  /** An event stream without its first heartbeat, or silent for too long: Nomad answers a denied one just so. */
  | 'denied-or-dead'
  | 'not-found'
  /** Too many connections from this address. */
  | 'rate-limited'
  /** Not what Nomad would say: no JSON, too large, a redirect. */
  | 'bad-answer'
  /** Any other error that Nomad reports. */
  | 'server'

/** A WEFT_REGISTRY_UNAVAILABLE that carries its kind. */
export function nomadError(
  failure: NomadFailure,
  message: string,
  fields: Readonly<Record<string, unknown>> = {},
  cause?: unknown,
): MeshError {
  return new MeshError('WEFT_REGISTRY_UNAVAILABLE', message, { fields: { failure, ...fields }, cause })
}

const failures: ReadonlySet<unknown> = new Set<NomadFailure>([
  'unreachable',
  'credentials',
  'no-leader',
  'denied',
  'denied-or-dead',
  'not-found',
  'rate-limited',
  'bad-answer',
  'server',
])

/** The kind of a failure thrown by the client; undefined for any other error, such as that of an abort. */
export function failureOf(error: unknown): NomadFailure | undefined {
  const failure = error instanceof MeshError ? error.fields.failure : undefined
  return isFailure(failure) ? failure : undefined
}

function isFailure(value: unknown): value is NomadFailure {
  return failures.has(value)
}

/**
 * The error for an answer with another status than 2xx. Nomad explains itself in plain text, and reports some missing
 * rights and all unusable tokens of forwarded requests as a 500, so its words decide there.
 */
export function errorOfStatus(path: string, status: number, text: string, retryAfter?: string): MeshError {
  const said = text.replaceAll(/\s+/g, ' ').trim().slice(0, 200)
  const seconds = Number(retryAfter ?? Number.NaN)
  const fields = { path, status, said, ...(seconds > 0 && { retryAfterMs: Math.min(seconds, 60) * 1000 }) }
  if (status >= 300 && status < 400) return nomadError('bad-answer', 'nomad redirects, which is not followed', fields)
  if (status === 401 || status === 403) return nomadError('denied', 'nomad refuses the token', fields)
  if (status === 404) return nomadError('not-found', 'nomad does not have it', fields)
  if (status === 429) return nomadError('rate-limited', 'nomad limits the connections of this address', fields)
  if (status === 500 && deniedWords.test(said)) return nomadError('denied', 'nomad refuses the token', fields)
  if (status >= 500 && leaderlessWords.test(said)) return nomadError('no-leader', 'nomad has no leader', fields)
  return nomadError('server', 'nomad answers with an error', fields)
}

/** `Unknown allocation` is what `/v1/allocation/:id` says to a token without the right; a missing one is a 404. */
const deniedWords =
  /^(rpc error: )?(permission denied|unknown allocation|acl token |failed to parse signed token|server error authenticating request)/i
const leaderlessWords = /no cluster leader|no known servers|failed to get conn|^dial tcp /i
