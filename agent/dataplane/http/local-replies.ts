import { grpcStatusOf } from '../../../mesh/routing/grpc.ts'
import type { Reason } from '../reasons.ts'
import { joinFlags, outcomes } from './outcomes.ts'

/** A response that Weft makes itself, and how the request's record says so. */
export interface LocalReply {
  readonly reason: Reason
  /** The caller's to change. No `connection`, `date` or `server`: those are of whoever writes it to the wire. */
  readonly headers: string[]
  readonly body: Buffer | undefined
  /** Of the response as it is sent: 200 for gRPC. */
  readonly status: number
  readonly flags: string
  readonly details: string
  /** What the caller is told in `grpc-status`; -1 when it does not speak gRPC. */
  readonly grpcStatus: number
}

export interface ReplyOptions {
  readonly isGrpc: boolean
  /** What the reason is about: an error's text, a cluster's name; empty for none. */
  readonly detail: string
  /** The rule that decided, which the caller is told rather than the detail; empty for none. */
  readonly rule: string
  /** Flags that the request has got before, such as `DI` or `URX`. */
  readonly flags?: string
  /** Whether other endpoints were tried before. */
  readonly retried?: boolean
  /** What a fault answers with. */
  readonly abort?: { readonly kind: 'http' | 'grpc'; readonly status: number }
}

/**
 * The answer to a request that cannot be forwarded, or shall not be. A caller of gRPC gets a response without body whose
 * `grpc-status` stands for the HTTP status, as Envoy maps it; everybody gets our reason and what it is about in
 * `weft-reason`.
 */
export function localReply(reason: Reason, options: ReplyOptions): LocalReply {
  const outcome = outcomes[reason]
  const { isGrpc, abort, flags = '' } = options
  // A fault in gRPC's words has the status 200 for everybody else.
  const status = abort === undefined ? outcome.status : abort.kind === 'http' ? abort.status : 200
  const text =
    options.retried === true
      ? outcome.body.replace('reset reason', 'retried and the latest reset reason')
      : outcome.body
  const grpcStatus = abort?.kind === 'grpc' ? abort.status : grpcStatusOf(status)
  // A fault must look like what it pretends to be.
  const message = reason === 'FAULT_ABORT' ? text : text === '' ? reason : `${reason}: ${text}`
  const reply = isGrpc ? grpcReply(grpcStatus, message) : textReply(status, text)
  if (reason === 'UPSTREAM_OVERFLOW') reply.headers.push('x-envoy-overloaded', 'true')
  reply.headers.push('weft-reason', reasonText(reason, options.rule === '' ? options.detail : options.rule))
  return { reason, ...reply, flags: joinFlags(outcome.flags, flags), details: outcome.details }
}

/** The answer to a request whose token is refused (RFC 6750 section 3); gRPC's caller is told the challenge too. */
export function tokenReply(
  refused: { readonly status: 401 | 403; readonly wwwAuthenticate: string; readonly reason: string },
  isGrpc: boolean,
): LocalReply {
  const { status, wwwAuthenticate, reason: text } = refused
  const reply = isGrpc ? grpcReply(grpcStatusOf(status), text) : textReply(status, text)
  reply.headers.push('www-authenticate', wwwAuthenticate, 'weft-reason', reasonText('TOKEN_REFUSED', text))
  const details = `jwt_authn_access_denied{${text.replaceAll(' ', '_')}}`
  return { reason: 'TOKEN_REFUSED', ...reply, flags: '', details }
}

/**
 * The answer that a route gives itself (`directResponse`). One that speaks of another place says which: with nothing
 * else said, Envoy names the one that was asked for, `location`.
 */
export function directReply(
  action: { readonly status: number; readonly body: Buffer },
  isGrpc = false,
  location = '',
): LocalReply {
  const { status, body } = action
  const reply = isGrpc ? grpcReply(grpcStatusOf(status), body.toString()) : bodyReply(status, body)
  if (location !== '' && !isGrpc && namesPlaces.has(status)) reply.headers.push('location', location)
  return { reason: 'DIRECT_RESPONSE', ...reply, flags: '', details: outcomes.DIRECT_RESPONSE.details }
}

/** Statuses whose `location` says where to go on (RFC 9110 section 10.2.2). */
const namesPlaces: ReadonlySet<number> = new Set([201, 301, 302, 303, 307, 308])

/** The answer of a route that redirects. */
export function redirectReply(redirect: { readonly status: number; readonly location: string }): LocalReply {
  const { status, location } = redirect
  const headers = [':status', String(status), 'location', location, 'content-length', '0']
  const { details } = outcomes.REDIRECT
  return { reason: 'REDIRECT', headers, body: undefined, status, flags: '', details, grpcStatus: -1 }
}

type Reply = Pick<LocalReply, 'headers' | 'body' | 'status' | 'grpcStatus'>

function textReply(status: number, text: string): Reply {
  return bodyReply(status, Buffer.from(text))
}

function bodyReply(status: number, body: Buffer): Reply {
  const headers = [':status', String(status)]
  if (body.length === 0) {
    headers.push('content-length', '0')
    return { headers, body: undefined, status, grpcStatus: -1 }
  }
  headers.push('content-length', String(body.length), 'content-type', 'text/plain')
  return { headers, body, status, grpcStatus: -1 }
}

/** A response that is its own trailers (gRPC over HTTP/2, Responses: Trailers-Only). */
function grpcReply(grpcStatus: number, message: string): Reply {
  const headers = [':status', '200', 'content-type', 'application/grpc', 'grpc-status', String(grpcStatus)]
  if (message !== '') headers.push('grpc-message', percentEncoded(message))
  headers.push('content-length', '0')
  return { headers, body: undefined, status: 200, grpcStatus }
}

/** As gRPC wants `grpc-message`: visible ASCII, everything else and `%` as `%XX` of its UTF-8. */
function percentEncoded(text: string): string {
  return text.replace(/[^ -$&-~]+/g, part => [...Buffer.from(part)].map(octet => `%${hex(octet)}`).join(''))
}

function hex(octet: number): string {
  return octet.toString(16).toUpperCase().padStart(2, '0')
}

const maxReasonLength = 256

/** Whatever peers or resources have in it: one header's value, and not a long one. */
function reasonText(reason: Reason, about: string): string {
  return `${reason} ${about}`
    .slice(0, maxReasonLength)
    .replace(/[^ -~]/g, '?')
    .trimEnd()
}
