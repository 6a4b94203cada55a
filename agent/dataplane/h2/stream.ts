/**
 * What the rest of the data plane sees of an HTTP/2 stream (RFC 9113 section 5). Callbacks are set once, right after
 * the stream was made; nothing is buffered beyond the peer's window.
 */
export interface H2Stream {
  readonly id: number
  /** Response headers (client) or trailers. */
  onHeaders: ((headers: HeaderList, endStream: boolean) => void) | undefined
  /**
   * Payload as it arrives, a view into the read buffer: copy it to keep it past the call. The window is given back
   * only by {@link consumed}, which is how back-pressure travels.
   */
  onData: ((chunk: Buffer) => void) | undefined
  /** The peer will send no more. */
  onEnd: (() => void) | undefined
  /** The stream is over early: the peer's or our own reset, or the loss of the connection. Called at most once. */
  onReset: ((code: number, reason: string) => void) | undefined
  /** `write` may be called again after it returned false. */
  onDrain: (() => void) | undefined
  /** Sends headers: a response (server) or trailers. */
  respond(headers: HeaderList, endStream: boolean): void
  /**
   * Sends payload. The buffer must not be changed afterwards. Returns false when the peer's window or the socket is
   * full: the bytes are kept, and the caller holds off until {@link onDrain}.
   */
  write(chunk: Buffer): boolean
  /** Half-closes our side after what was written. */
  end(): void
  /**
   * Gives `bytes` of receive window back to the peer. Also to be called for payload that is still held when the stream
   * has ended: the connection's window is shared, and what is never given back is missing to all its streams. A reset
   * gives everything back by itself.
   */
  consumed(bytes: number): void
  /** RST_STREAM with an error code of RFC 9113 section 7. */
  reset(code: number): void
}

/** Names are lower case; pseudo-headers first. Flat pairs: name, value, name, value. */
export type HeaderList = readonly string[]
