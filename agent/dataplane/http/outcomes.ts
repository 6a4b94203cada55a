import type { Reason } from '../reasons.ts'

/** What one of our reasons comes to for an HTTP request: Envoy's words for it, and what the caller is told. */
export interface Outcome {
  /** Of the response, as far as none was sent yet. */
  readonly status: number
  /** Envoy's RESPONSE_FLAGS, one or none. */
  readonly flags: string
  /** Envoy's RESPONSE_CODE_DETAILS. */
  readonly details: string
  /** Text of the response; empty for none. It is Envoy's, for those who look for its words in what they get. */
  readonly body: string
}

const connectError = 'upstream connect error or disconnect/reset before headers. '

/**
 * An upstream that was lost before it answered, or never reached. Envoy has one family of words for that; the cause is
 * in it.
 */
function reset(flags: string, cause: string, status = 503): Outcome {
  const details = `upstream_reset_before_response_started{${cause.replaceAll(' ', '_')}}`
  return { status, flags, details, body: `${connectError}reset reason: ${cause}` }
}

const invalid = (details: string): Outcome => ({ status: 400, flags: 'DPE', details, body: 'Bad Request' })
/** What Envoy has no words for. */
const own = (status: number, details: string): Outcome => ({
  status,
  flags: '',
  details,
  body: details.replaceAll('_', ' '),
})
const unreachable = reset('UF', 'remote connection failure')

/** Every reason, so that none is ever without an answer. Names: Envoy's access log and `response_code_details.h`. */
export const outcomes: Readonly<Record<Reason, Outcome>> = {
  OK: { status: 200, flags: '', details: 'via_upstream', body: '' },
  CLIENT_RESET: { status: 0, flags: 'DC', details: 'downstream_remote_disconnect', body: '' },
  UPSTREAM_RESET: reset('UC', 'connection termination'),
  NOT_REDIRECTED: own(404, 'not_redirected'),
  NO_ROUTE: { status: 503, flags: 'NC', details: 'cluster_not_found', body: '' },
  UNKNOWN_CALLER: own(403, 'unknown_caller'),
  NO_CERTIFICATE: reset('UF', 'local connection failure'),
  NO_HEALTHY_ENDPOINT: { status: 503, flags: 'UH', details: 'no_healthy_upstream', body: 'no healthy upstream' },
  UPSTREAM_CONNECT: unreachable,
  UPSTREAM_TLS: unreachable,
  PEER_IDENTITY: unreachable,
  CONNECT_REFUSED: unreachable,
  MTLS_REQUIRED: own(403, 'mutual_tls_required'),
  AUTHORIZATION_DENIED: {
    status: 403,
    flags: '',
    details: 'rbac_access_denied_matched_policy[none]',
    body: 'RBAC: access denied',
  },
  TOKEN_REFUSED: { status: 401, flags: '', details: 'jwt_authn_access_denied', body: 'Jwt verification fails' },
  MISDIRECTED: own(421, 'misdirected_request'),
  NOT_DECLARED: { status: 404, flags: 'NR', details: 'route_not_found', body: '' },
  WRONG_WORKLOAD: own(421, 'wrong_workload'),
  PEER_CERTIFICATE: own(403, 'peer_certificate'),
  PEER_BANNED: unreachable,
  BAD_HANDSHAKE: own(400, 'bad_handshake'),
  BAD_REQUEST: invalid('bad_tunnel_request'),
  LOCAL_CONNECT: unreachable,
  TOO_MANY_CONNECTIONS: { status: 503, flags: 'OM', details: 'overload', body: 'overloaded' },
  DRAINING: own(503, 'draining'),
  NO_HTTP_ROUTE: { status: 404, flags: 'NR', details: 'route_not_found', body: '' },
  BLOCKED_HOST: { status: 502, flags: '', details: 'direct_response', body: '' },
  NO_CLUSTER: { status: 503, flags: 'NC', details: 'cluster_not_found', body: '' },
  UPSTREAM_OVERFLOW: reset('UO', 'overflow'),
  REQUEST_TIMEOUT: { status: 504, flags: 'UT', details: 'response_timeout', body: 'upstream request timeout' },
  PER_TRY_TIMEOUT: { status: 504, flags: 'UT', details: 'upstream_per_try_timeout', body: 'upstream request timeout' },
  IDLE_TIMEOUT: { status: 408, flags: 'SI', details: 'stream_idle_timeout', body: 'stream timeout' },
  RETRY_LIMIT: { ...reset('URX', 'connection termination') },
  FAULT_ABORT: { status: 503, flags: 'FI', details: 'fault_filter_abort', body: 'fault filter abort' },
  DIRECT_RESPONSE: { status: 200, flags: '', details: 'direct_response', body: '' },
  REDIRECT: { status: 301, flags: '', details: 'direct_response', body: '' },
  BAD_HTTP_REQUEST: invalid('http1.codec_error'),
  NOT_HTTP: invalid('http1.codec_error'),
  HEADERS_TOO_LARGE: {
    status: 431,
    flags: 'DPE',
    details: 'http1.headers_too_large',
    body: 'Request Header Fields Too Large',
  },
  BODY_BROKEN_OFF: invalid('downstream_body_broken_off'),
  BAD_HTTP_RESPONSE: reset('UPE', 'protocol error', 502),
  LOOP: own(508, 'loop_detected'),
}

/** The order in which Envoy names several flags. */
const flagOrder =
  'LH UH UT LR UR UF UC UO NR DI FI RL UAEX RLSE DC URX SI IH DPE UMSDR RFCF NFCF DT UPE NC OM DF'.split(' ')
const joined = new Map<string, string>()

/** Both sets of flags, each once and in Envoy's order: `UF` and `DI` are `UF,DI`. */
export function joinFlags(one: string, other: string): string {
  if (one === '' || one === other) return other
  if (other === '') return one
  const key = `${one},${other}`
  let flags = joined.get(key)
  if (flags === undefined) {
    const all = new Set(key.split(','))
    flags = flagOrder.filter(flag => all.has(flag)).join(',')
    joined.set(key, flags)
  }
  return flags
}
