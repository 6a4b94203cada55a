/** What a peer may cost and how long it may take; whatever is above is refused or broken off. */
export interface Http1Limits {
  /** Bytes of a request line, or of a status line: above it 414. */
  readonly startLineBytes: number
  /** Bytes of a head, its start line included: above it 431, which is where Envoy is, too. */
  readonly headBytes: number
  /** Fields of a head, and of a trailer section. */
  readonly fields: number
  /** Bytes of a trailer section. */
  readonly trailerBytes: number
  /** Bytes that the chunk extensions of one message may have together; all are dropped. */
  readonly chunkExtensionBytes: number
  /** Informational responses before the final one. */
  readonly interimResponses: number
  /** Bytes that are read ahead of the exchange they belong to: pipelined requests, and what comes before a 101. */
  readonly heldBytes: number
  /** Payload that was handed over and not consumed; with more, nothing is read. */
  readonly unconsumedBytes: number
  /** Payload of a request that was answered early which is still read, so that the connection can go on. */
  readonly drainBytes: number
  /** From the first byte of a head to its last: 408. */
  readonly headTimeoutMs: number
  /** Every so often a request's body must have brought {@link bodyBytesPerCheck} more, unless we hold it back. */
  readonly bodyCheckMs: number
  readonly bodyBytesPerCheck: number
  /** How long the peer may take nothing of what it was sent. */
  readonly writeStallMs: number
  /** How long a connection may be without an exchange; it is noticed up to a quarter of that later. */
  readonly idleMs: number
  /** How long the peer may take to read our last words and to close its side. */
  readonly lingerMs: number
}

/** The limits of a mesh connection. */
export const defaultHttp1Limits: Http1Limits = {
  startLineBytes: 16 * 1024,
  headBytes: 60 * 1024,
  fields: 100,
  trailerBytes: 8 * 1024,
  chunkExtensionBytes: 4 * 1024,
  interimResponses: 5,
  heldBytes: 64 * 1024,
  unconsumedBytes: 64 * 1024,
  drainBytes: 64 * 1024,
  headTimeoutMs: 10_000,
  bodyCheckMs: 60_000,
  bodyBytesPerCheck: 1,
  writeStallMs: 60_000,
  idleMs: 3_600_000,
  lingerMs: 1_000,
}

/** The default limits, with others in place of some. */
export function withDefaults(limits: Partial<Http1Limits> | undefined): Http1Limits {
  return limits === undefined ? defaultHttp1Limits : { ...defaultHttp1Limits, ...limits }
}
