/**
 * One HTTP exchange as the data plane sees it, whatever carries it: an HTTP/2 stream, or a request and its response on
 * an HTTP/1.1 connection. Of the server side of a connection it brings a request and takes a response; of the client
 * side the other way round. Callbacks are set once, right after the stream was made; nothing is buffered beyond what
 * flow control allows.
 *
 * Messages are {@link HeaderList}s with HTTP/2's pseudo-headers at the front (`:method`, `:scheme`, `:authority`,
 * `:path`; `:status`), whatever the wire says. Fields follow in their order, duplicates and the case of their names kept
 * where the wire has one; fields that belong to a connection (RFC 9110 section 7.6.1) and `Host` are never among them.
 * An `upgrade` field with `:method` GET asks for a switch of protocols, and `:status` 101 grants it: from then on data
 * passes both ways as it comes.
 */
export interface HttpStream {
  /** What the peer speaks, as logs show it. */
  readonly protocol: HttpProtocol
  /** Headers that follow the head: responses (client), informational ones included, and trailers. */
  onHeaders: ((headers: HeaderList, endStream: boolean) => void) | undefined
  /**
   * Payload as it arrives, to be kept as long as one likes: nothing writes to it again. It is a view into all that one
   * read has brought, which stays in memory with it. More is read only as {@link consumed} gives back, which is how
   * back-pressure travels.
   */
  onData: ((chunk: Buffer) => void) | undefined
  /** The peer's message is complete. */
  onEnd: (() => void) | undefined
  /**
   * The stream is over early: the peer's or our own reset, a message that broke off or breaks the rules, or the loss of
   * the connection. Codes are RFC 9113's. Called at most once, and nothing after it.
   */
  onReset: ((code: number, reason: string) => void) | undefined
  /** `write` may be called again after it returned false. */
  onDrain: (() => void) | undefined
  /** Sends headers: the response (server), informational or final, or trailers, which end the message. */
  respond(headers: HeaderList, endStream: boolean): void
  /**
   * Sends payload. The buffer must not be changed afterwards. Returns false when the peer's window or the socket is
   * full: the bytes are kept, and the caller holds off until {@link onDrain}.
   */
  write(chunk: Buffer): boolean
  /** Ends our message after what was written. */
  end(): void
  /** Gives `bytes` of what came back to the peer. Also to be called for what is still held when the stream has ended. */
  consumed(bytes: number): void
  /** Breaks the exchange off, visibly for the peer: never a clean end of a message that is not complete. */
  reset(code: number): void
}

export type HttpProtocol = 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2'

/** Flat pairs: name, value, name, value; pseudo-headers first. */
export type HeaderList = readonly string[]

/** The client side of a connection that carries exchanges, one (HTTP/1.1) or many (HTTP/2) at a time. */
export interface HttpClientConnection {
  /** Exchanges that are not over. */
  readonly openStreams: number
  /** Whether another exchange can be opened now. */
  canOpen(): boolean
  /** Sends a request's head; undefined when there is no capacity. */
  open(headers: HeaderList, endStream: boolean): HttpStream | undefined
  /** Takes no more exchanges and closes when the open ones are over. */
  goaway(): void
  /** Closes at once; streams are reset. */
  destroy(reason: string): void
  /** The connection is over, exactly once, after every stream's `onReset`. */
  onClose: ((reason: string) => void) | undefined
}

/** The server side: whoever accepts a connection sets this in the same turn. */
export interface HttpServerConnection {
  /** A request has begun; its callbacks are set before returning. `headers` is the callee's, to change as it likes. */
  onStream: ((stream: HttpStream, headers: string[], endStream: boolean) => void) | undefined
  onClose: ((reason: string) => void) | undefined
  readonly openStreams: number
  /** Says goodbye: open exchanges finish, then the connection closes. */
  goaway(): void
  destroy(reason: string): void
}
