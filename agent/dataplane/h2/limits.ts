/** What a peer may do before the connection is given up with ENHANCE_YOUR_CALM. */
export interface H2Limits {
  /** Bytes of a header block on the wire, CONTINUATION frames included. */
  readonly headerBlockBytes: number
  /** CONTINUATION frames of one header block. */
  readonly continuations: number
  /** Bytes of a decoded header list, each field counted as name + value + 32 (RFC 9113 section 6.5.2). */
  readonly headerListBytes: number
  readonly headerPairs: number
  /** Bytes of the decoded header lists of all requests that are open, in all: one more is refused. */
  readonly heldHeaderBytes: number
  /** Per 10 s: streams given up before they were answered, by the peer or because of what it sent. */
  readonly resets: number
  /** Per 10 s: PING frames to answer. */
  readonly pings: number
  /** Per 10 s: SETTINGS frames to acknowledge. */
  readonly settings: number
  /** Per 10 s: DATA frames without payload that do not end a stream. */
  readonly emptyData: number
  /** Per 10 s: WINDOW_UPDATE frames beyond two for each DATA frame of ours. */
  readonly windowUpdates: number
  /** Bytes of control frames that wait because the peer does not read. */
  readonly unreadControlBytes: number
  /** Payload bytes that wait for the windows of all streams, in all: the stream that asks for more is reset. */
  readonly queuedBytes: number
  /** How long nothing may come of a request that is not complete and not answered. */
  readonly requestIdleMs: number
  /** How long the peer may not take what waits for it, on a stream or at all. */
  readonly sendStallMs: number
  /** From the start to the peer's first SETTINGS frame. */
  readonly prefaceTimeoutMs: number
  /** From our SETTINGS to the acknowledgement. */
  readonly settingsTimeoutMs: number
  /** From the first byte of a header block, or of another frame but DATA, to its last. */
  readonly headerTimeoutMs: number
}

/** The limits of a mesh connection: far above what real peers do. */
export const defaultLimits: H2Limits = {
  headerBlockBytes: 32 * 1024,
  continuations: 16,
  headerListBytes: 16 * 1024,
  headerPairs: 64,
  heldHeaderBytes: 4 * 1024 * 1024,
  resets: 100,
  pings: 1000,
  settings: 100,
  emptyData: 100,
  windowUpdates: 10_000,
  unreadControlBytes: 1024 * 1024,
  queuedBytes: 64 * 1024 * 1024,
  requestIdleMs: Number.POSITIVE_INFINITY,
  sendStallMs: Number.POSITIVE_INFINITY,
  prefaceTimeoutMs: 10_000,
  settingsTimeoutMs: 5_000,
  headerTimeoutMs: 10_000,
}

/** Over which events are counted. */
export const countingWindowMs = 10_000

/**
 * Counts events in a window. The clock is read only when the count is reached, so an event costs one addition; a burst
 * that straddles two windows may be twice as large.
 */
export class EventLimit {
  readonly #max: number
  readonly #now: () => number
  #count = 0
  #since: number

  constructor(max: number, now: () => number) {
    this.#max = max
    this.#now = now
    this.#since = now()
  }

  /** Counts one event; true when there were more than allowed. */
  exceeded(): boolean {
    this.#count += 1
    if (this.#count <= this.#max) return false
    const now = this.#now()
    if (now - this.#since <= countingWindowMs) return true
    this.#since = now
    this.#count = 1
    return false
  }

  /** Takes events back, for those that are allowed in proportion to something else. */
  credit(events: number): void {
    this.#count = Math.max(0, this.#count - events)
  }
}
