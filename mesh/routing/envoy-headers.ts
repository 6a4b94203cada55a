import { grpcTimeout } from './grpc.ts'
import { isField, setField, startsWithFolded } from './header-fields.ts'
import type { Route } from './route.ts'

/**
 * Headers that proxies own (Envoy: HTTP header manipulation, router filter), as Istio's sidecars deal with them: a client
 * cannot steer retries or timeouts by them.
 */

/** Removed when a client sent them, and without effect. */
const removed = [
  'x-envoy-attempt-count',
  'x-envoy-expected-rq-timeout-ms',
  'x-envoy-force-trace',
  'x-envoy-hedge-on-per-try-timeout',
  'x-envoy-internal',
  'x-envoy-ip-tags',
  'x-envoy-max-retries',
  'x-envoy-original-url',
  'x-envoy-retriable-header-names',
  'x-envoy-retriable-status-codes',
  'x-envoy-retry-grpc-on',
  'x-envoy-retry-on',
  'x-envoy-upstream-alt-stat-name',
  'x-envoy-upstream-rq-per-try-timeout-ms',
  'x-envoy-upstream-rq-timeout-alt-response',
  'x-envoy-upstream-rq-timeout-ms',
  'x-forwarded-client-cert',
]

const maxLength = removed.reduce((most, name) => Math.max(most, name.length), 0)

/**
 * Makes a request of a client one that can be routed, in place: what only proxies may say goes, and `x-forwarded-proto`
 * says how the request came (`transport`) where it does not say so itself. Gives the scheme that rules compare: the
 * request's own `scheme` where it is `https`, else the one forwarded.
 */
export function cleanRequest(headers: string[], scheme: string, transport = 'http'): string {
  let said = false
  let forwarded = ''
  let to = 0
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? ''
    const value = headers[at + 1] ?? ''
    if (mayBeOwned(name)) {
      if (isField(name, 'x-forwarded-proto')) {
        said = true
        forwarded = knownScheme(value)
      } else if (isRemoved(name)) continue
    } else if (isField(name, 'te') && value.toLowerCase() !== 'trailers') continue
    if (to !== at) {
      headers[to] = name
      headers[to + 1] = value
    }
    to += 2
  }
  if (to < headers.length) headers.length = to
  if (!said) headers.push('x-forwarded-proto', transport)
  return forwarded === '' || scheme === 'https' ? scheme : forwarded
}

function mayBeOwned(name: string): boolean {
  const { length } = name
  if (length < 12 || length > maxLength) return false
  const first = name.charCodeAt(0)
  return (first === 0x78 || first === 0x58) && name.charCodeAt(1) === 0x2d
}

function isRemoved(name: string): boolean {
  for (let at = 0; at < removed.length; at += 1) {
    if (isField(name, removed[at] ?? '')) return true
  }
  return false
}

function knownScheme(value: string): string {
  if (value === 'http' || value === 'https') return value
  const found = value.length === 4 ? 'http' : value.length === 5 ? 'https' : undefined
  return found !== undefined && startsWithFolded(value, found) ? found : ''
}

/** Numbers the try that is about to be sent, from 1 on. */
export function setAttemptCount(headers: string[], attempt: number): void {
  setField(headers, 'x-envoy-attempt-count', String(attempt))
}

/**
 * Tells the upstream how long it has, `elapsedMs` after the request was complete: the time of one try, or what is left
 * of all, which `totalMs` is (by `timeoutOf`, of the request as the client sent it: this overwrites what that reads).
 * gRPC reads it in `grpc-timeout`. To be called before each further try; without a limit it does nothing.
 */
export function setExpectedTimeout(
  { action }: Route,
  headers: string[],
  isGrpc: boolean,
  totalMs: number | undefined,
  elapsedMs: number,
): void {
  const perTry = action.kind === 'forward' ? action.retry?.perTryTimeoutMs : undefined
  if (totalMs === undefined && perTry === undefined) return
  const left = totalMs === undefined ? undefined : Math.max(totalMs - elapsedMs, 1)
  const expected = Math.floor(Math.min(perTry ?? left ?? 0, left ?? perTry ?? 0))
  setField(headers, 'x-envoy-expected-rq-timeout-ms', String(expected))
  if (isGrpc) setField(headers, 'grpc-timeout', grpcTimeout(expected))
}
