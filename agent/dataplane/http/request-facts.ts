import { isGrpcRequest } from '../../../mesh/routing/grpc.ts'
import { fieldOf, removeField, startsWithFolded } from '../../../mesh/routing/header-fields.ts'
import type { RequestRecord } from '../telemetry/request-record.ts'
import type { HttpStream } from './stream.ts'

/** Where the four pseudo-headers of a request stand once it was put in order, and where its fields begin. */
export const pseudo = { method: 1, scheme: 3, authority: 5, path: 7, end: 8 } as const

/**
 * Puts a request's pseudo-headers in one order, in place: `:method`, `:scheme`, `:authority`, `:path`. HTTP/2 callers
 * may send them in any; an authority that is missing becomes an empty one.
 */
export function orderPseudoHeaders(headers: string[]): void {
  if (headers[0] === ':method' && headers[2] === ':scheme' && headers[4] === ':authority' && headers[6] === ':path')
    return
  let end = 0
  while (end < headers.length && headers[end]?.charCodeAt(0) === 0x3a) end += 2
  const method = fieldOf(headers, ':method') ?? ''
  const scheme = fieldOf(headers, ':scheme') ?? 'http'
  const authority = fieldOf(headers, ':authority') ?? ''
  const path = fieldOf(headers, ':path') ?? ''
  headers.splice(0, end, ':method', method, ':scheme', scheme, ':authority', authority, ':path', path)
}

/** Fills in what the request says of itself; its pseudo-headers are in order. */
export function describeRequest(record: RequestRecord, { protocol }: HttpStream, headers: readonly string[]): void {
  record.protocol = protocol
  record.method = headers[pseudo.method] ?? ''
  record.authority = headers[pseudo.authority] ?? ''
  record.path = headers[pseudo.path] ?? ''
  record.isGrpc = isGrpcRequest(headers)
  let bytes = 0
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? ''
    const value = headers[at + 1] ?? ''
    bytes += name.length + value.length + 4
    // by length and first letter first: most fields are none of these
    switch (name.length) {
      case 10:
        if (startsWithFolded(name, 'user-agent')) record.userAgent = value
        break
      case 12:
        if (startsWithFolded(name, 'x-request-id')) record.requestId = value
        break
      case 15:
        if (startsWithFolded(name, 'x-forwarded-for')) record.forwardedFor = value
        break
      case 21:
        // Istio's log shows the path that the caller asked for
        if (startsWithFolded(name, 'x-envoy-original-path')) record.path = value
        break
      default:
    }
  }
  record.requestHeadBytes = bytes
}

/** Removes what only agents say to each other, and to callers: `x-weft-*` and `weft-*`. In place. */
export function stripOwnHeaders(headers: string[]): void {
  let to = -1
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? ''
    if (isOwn(name)) {
      if (to < 0) to = at
    } else if (to >= 0) {
      headers[to] = name
      headers[to + 1] = headers[at + 1] ?? ''
      to += 2
    }
  }
  if (to >= 0) headers.length = to
}

/** The trailers of a request without what a caller may not say of itself: backends may take them for headers. */
export function ownTrailers(trailers: readonly string[]): readonly string[] {
  const kept = trailers.slice()
  stripOwnHeaders(kept)
  removeField(kept, 'x-forwarded-client-cert')
  return kept
}

function isOwn(name: string): boolean {
  const first = name.charCodeAt(0) | 0x20
  if (first === 0x77) return startsWithFolded(name, 'weft-')
  return first === 0x78 && startsWithFolded(name, 'x-weft-')
}

/** The `grpc-status` of a response's head or of trailers; -1 without one that is a number. */
export function grpcStatusOf(headers: readonly string[]): number {
  const text = fieldOf(headers, 'grpc-status')
  return text !== undefined && /^\d{1,3}$/.test(text) ? Number(text) : -1
}

/** About what a head takes on the wire of HTTP/1.1. */
export function headBytes(headers: readonly string[]): number {
  let bytes = 0
  for (let at = 0; at < headers.length; at += 1) bytes += (headers[at]?.length ?? 0) + 2
  return bytes
}
