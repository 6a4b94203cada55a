import type { HttpStream } from '../http/stream.ts'

export type { HeaderList } from '../http/stream.ts'

/**
 * An HTTP/2 stream (RFC 9113 section 5): an exchange, or the tunnel that a CONNECT opened. On the wire names are lower
 * case.
 */
export interface H2Stream extends HttpStream {
  readonly id: number
}
