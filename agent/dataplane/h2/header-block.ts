import { flag, h2Error } from './frames.ts'
import type { H2Limits } from './limits.ts'

/** Why a header block cannot be used; the connection must end. */
export interface BlockProblem {
  readonly code: number
  readonly reason: string
}

/**
 * Puts the header block of a HEADERS frame and its CONTINUATION frames together (RFC 9113 sections 6.2 and 6.10),
 * within bounds. One at a time: the reader lets nothing come in between.
 */
export class HeaderBlock {
  readonly #limits: H2Limits
  #parts: Buffer[] = []
  #bytes = 0
  #streamId = 0
  #endStream = false

  constructor(limits: H2Limits) {
    this.#limits = limits
  }

  /** The stream of the block that was completed last, and whether its HEADERS frame ends the stream. */
  get streamId(): number {
    return this.#streamId
  }

  get endStream(): boolean {
    return this.#endStream
  }

  /** Takes a HEADERS frame; returns the block when it is complete, undefined when CONTINUATION follows. */
  begin(flags: number, streamId: number, payload: Buffer): Buffer | BlockProblem | undefined {
    const fragment = stripped(flags, payload)
    if (!Buffer.isBuffer(fragment)) return fragment
    this.#streamId = streamId
    this.#endStream = (flags & flag.endStream) !== 0
    if (fragment.length > this.#limits.headerBlockBytes) return problems.tooLarge
    if ((flags & flag.endHeaders) !== 0) return fragment
    this.#parts = [Buffer.from(fragment)]
    this.#bytes = fragment.length
    return undefined
  }

  /** Takes a CONTINUATION frame. */
  resume(flags: number, payload: Buffer): Buffer | BlockProblem | undefined {
    this.#bytes += payload.length
    if (this.#bytes > this.#limits.headerBlockBytes) return problems.tooLarge
    if (this.#parts.length > this.#limits.continuations) return problems.tooMany
    this.#parts.push(Buffer.from(payload))
    if ((flags & flag.endHeaders) === 0) return undefined
    const block = Buffer.concat(this.#parts)
    this.#parts = []
    return block
  }
}

/** The payload without padding and the deprecated priority fields. */
function stripped(flags: number, payload: Buffer): Buffer | BlockProblem {
  let start = 0
  let end = payload.length
  if ((flags & flag.padded) !== 0) {
    if (end === 0) return problems.tooShort
    start = 1
    end -= payload[0] ?? 0
  }
  if ((flags & flag.priority) !== 0) start += 5
  if (start > payload.length) return problems.tooShort
  return start > end ? problems.padding : payload.subarray(start, end)
}

const problems = {
  tooLarge: { code: h2Error.enhanceYourCalm, reason: 'a header block is larger than allowed' },
  tooMany: { code: h2Error.enhanceYourCalm, reason: 'a header block is cut into too many frames' },
  tooShort: { code: h2Error.frameSize, reason: 'a HEADERS frame is too short for its flags' },
  padding: { code: h2Error.protocol, reason: 'the padding is longer than its frame' },
} as const
