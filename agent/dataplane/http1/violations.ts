/** A rule of the wire that a peer broke, with the status a request is refused with. */
export interface Violation {
  readonly status: 400 | 408 | 413 | 414 | 417 | 431 | 501 | 505
  readonly detail: string
}

/** Every rule that is held, by its code, which is what logs show. Sources: RFC 9112, RFC 9110. */
export const violations = {
  'start-line': { status: 400, detail: 'the start line is malformed' },
  'start-line-size': { status: 414, detail: 'the request line is too long' },
  version: { status: 505, detail: 'the version is neither HTTP/1.1 nor HTTP/1.0' },
  method: { status: 501, detail: 'the method is not one that is passed on' },
  target: { status: 400, detail: 'the request target is malformed' },
  'line-end': { status: 400, detail: 'a line does not end with CR LF' },
  'field-fold': { status: 400, detail: 'a field is folded over several lines' },
  'field-name': { status: 400, detail: 'a field name is malformed' },
  'field-value': { status: 400, detail: 'a field value contains a control character' },
  'field-count': { status: 431, detail: 'there are too many fields' },
  'head-size': { status: 431, detail: 'the head is too large' },
  host: { status: 400, detail: 'there is not exactly one well-formed Host' },
  'content-length': { status: 400, detail: 'there is not at most one Content-Length, a decimal number' },
  'transfer-encoding': { status: 400, detail: 'the Transfer-Encoding is malformed or not allowed here' },
  'transfer-coding': { status: 501, detail: 'a transfer coding other than chunked is not supported' },
  'two-framings': { status: 400, detail: 'Content-Length and Transfer-Encoding contradict each other' },
  connection: { status: 400, detail: 'Connection names a field that is not its to name' },
  expectation: { status: 417, detail: 'the expectation is not 100-continue' },
  'upgrade-body': { status: 400, detail: 'a request for an upgrade has a body' },
  'trace-body': { status: 400, detail: 'a TRACE request has a body' },
  'chunk-size': { status: 400, detail: 'a chunk size is malformed' },
  'chunk-extension': { status: 400, detail: 'a chunk extension is malformed or too long' },
  'chunk-end': { status: 400, detail: 'a chunk is not as long as it said' },
  trailers: { status: 400, detail: 'the trailers are malformed, too large, or contain what only a head may' },
  'head-timeout': { status: 408, detail: 'the head was not completed in time' },
  'body-timeout': { status: 408, detail: 'the body came too slowly' },
  status: { status: 400, detail: 'the status is malformed' },
  interim: { status: 400, detail: 'there were too many informational responses' },
  unasked: { status: 400, detail: 'bytes came that no request had asked for' },
  'switch-protocols': { status: 400, detail: 'the protocol was switched without being asked to, or to another one' },
} as const satisfies Readonly<Record<string, Violation>>

export type ViolationCode = keyof typeof violations

/** A request that was refused before anybody behind the codec saw it: for the access log. */
export interface Http1Problem {
  readonly status: number
  readonly code: ViolationCode
  readonly detail: string
  /** As far as they are known, else empty. */
  readonly method: string
  readonly path: string
  readonly authority: string
}
