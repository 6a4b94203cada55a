import type { RequestRecord } from '../telemetry/request-record.ts'
import { GrpcMessages } from './grpc-messages.ts'
import type { RequestCopy } from './mirror.ts'
import { grpcStatusOf, headBytes, ownTrailers } from './request-facts.ts'
import type { HeaderList, HttpStream } from './stream.ts'

/** RFC 9113 section 7. */
export const streamCancel = 0x8
const internalError = 0x2
const noError = 0x0

/** Who decides what becomes of an exchange; called by its relay. */
export interface RelayOwner {
  /** The upstream's head, informational ones included: answered by `respond`, or by another attempt. */
  responseHead(headers: HeaderList, endStream: boolean): void
  /** The upstream broke off; whether its head had been handed on, the owner knows. */
  upstreamReset(code: number, reason: string): void
  /** The caller broke off. */
  callerGone(code: number, reason: string): void
  /** The request has come in whole. Not called for one that had no body. */
  requestComplete(): void
  /** Both messages are complete and handed over. */
  finished(): void
}

/**
 * Carries one exchange between the caller's stream and one upstream stream after another: payload both ways with
 * back-pressure, trailers, and the request's first bytes again when another upstream is attached. It decides nothing.
 */
export class Relay {
  readonly #down: HttpStream
  readonly #owner: RelayOwner
  readonly #record: RequestRecord
  readonly #passed: (bytes: number) => void
  readonly #requestMessages: GrpcMessages | undefined
  readonly #responseMessages: GrpcMessages | undefined
  #up: HttpStream | undefined
  /** The final response's head went to the caller: what follows are trailers. */
  #committed = false
  #requestEnded: boolean
  #requestTrailers: HeaderList | undefined
  /** The end of the request was told to the attached upstream. */
  #endSent = false
  #responseEnded = false
  #over = false
  /** Told of the response's trailers before the caller has them; of none where nobody asks. */
  onTrailers: ((trailers: HeaderList) => void) | undefined
  /** The request's chunks that an upstream may still need, and how many of them the attached one has. */
  readonly #held: Buffer[] = []
  #heldBytes = 0
  #sent = 0
  #replayLimit: number
  #replayable = true
  #upBlocked = false
  #copies: readonly RequestCopy[] = none
  /** Bytes not given back yet, of the caller's and of the upstream's window. */
  #owedDown = 0
  #owedUp = 0

  constructor(
    down: HttpStream,
    requestEnded: boolean,
    owner: RelayOwner,
    record: RequestRecord,
    replayLimit: number,
    passed: (bytes: number) => void,
  ) {
    this.#down = down
    this.#owner = owner
    this.#record = record
    this.#requestEnded = requestEnded
    this.#replayLimit = replayLimit
    this.#passed = passed
    this.#requestMessages = record.isGrpc ? new GrpcMessages() : undefined
    this.#responseMessages = record.isGrpc ? new GrpcMessages() : undefined
    down.onReset = this.#onDownReset
    down.onDrain = this.#onDownDrain
    if (requestEnded) return
    down.onData = this.#onRequestData
    down.onHeaders = this.#onRequestTrailers
    down.onEnd = this.#onRequestEnd
  }

  /** Whether another upstream could still be given the whole request. */
  get replayable(): boolean {
    return this.#replayable
  }

  get requestEnded(): boolean {
    return this.#requestEnded
  }

  /** Nothing follows the request's head. */
  get hasNoBody(): boolean {
    return this.#requestEnded && this.#held.length === 0 && this.#requestTrailers === undefined
  }

  /** The request will not be sent again: what was passed on need not be kept. */
  stopReplay(): void {
    this.#replayLimit = 0
    if (this.#heldBytes > 0) this.#dropSent()
  }

  /** Joins an upstream whose request head was sent: what has come of the body goes there, from its beginning. */
  attach(up: HttpStream): void {
    this.#up = up
    this.#sent = 0
    this.#upBlocked = false
    // The head has said so already.
    this.#endSent = this.hasNoBody
    up.onHeaders = this.#onResponseHeaders
    up.onData = this.#onResponseData
    up.onEnd = this.#onResponseEnd
    up.onReset = this.#onUpReset
    up.onDrain = this.#onUpDrain
    this.#flushRequest()
  }

  /** Lets a copy of the request's body go elsewhere too; no upstream was attached yet. */
  copyTo(copy: RequestCopy): void {
    this.#copies = [...this.#copies, copy]
    for (const chunk of this.#held) copy.data(chunk)
    if (this.#requestEnded) copy.end(this.#requestTrailers)
  }

  /** Breaks the attached upstream off, if there is one, without a word to the owner. */
  detach(): void {
    this.#release()?.reset(streamCancel)
  }

  /** The attached upstream, which tells nothing to anybody any more. */
  #release(): HttpStream | undefined {
    const up = this.#up
    if (up === undefined) return undefined
    this.#up = undefined
    this.#owedUp = 0
    up.onReset = undefined
    up.onHeaders = undefined
    up.onEnd = undefined
    up.onDrain = undefined
    up.onData = undefined
    return up
  }

  /** Sends a head to the caller: informational, or the final one. */
  respond(headers: HeaderList, endStream: boolean, informational: boolean): void {
    if (this.#over) return
    if (!informational) this.#commit(headers)
    if (endStream) {
      this.#responseEnded = true
      this.#leaveUpstream()
    }
    this.#down.respond(headers, endStream)
    if (endStream) this.#finishWhenDone()
  }

  #commit(headers: HeaderList): void {
    this.#committed = true
    this.#record.responseHeadBytes = headBytes(headers)
  }

  /** Answers in place of any upstream. The rest of the request is taken and dropped. */
  reply(headers: HeaderList, body: Buffer | undefined): void {
    this.detach()
    this.#dropRequest()
    if (this.#over) return
    this.#commit(headers)
    this.#responseEnded = true
    if (body === undefined || body.length === 0 || this.#record.method === 'HEAD') this.#down.respond(headers, true)
    else {
      this.#down.respond(headers, false)
      this.#down.write(body)
      this.#down.end()
      this.#record.bytesSent += body.length
    }
    this.#finish()
  }

  /** Breaks the caller's stream off: after a head was sent nothing else can say that the rest is missing. */
  abort(): void {
    this.detach()
    if (this.#over) return
    this.#over = true
    this.#down.onReset = undefined
    this.#down.onData = undefined
    this.#down.reset(internalError)
  }

  readonly #onRequestData = (chunk: Buffer): void => {
    const { length } = chunk
    this.#record.bytesReceived += length
    this.#passed(length)
    this.#requestMessages?.push(chunk)
    for (const copy of this.#copies) copy.data(chunk)
    if (this.#over || this.#responseEnded) return this.#down.consumed(length)
    if (this.#replayable && this.#heldBytes + length > this.#replayLimit) this.#replayable = false
    if (!this.#replayable && this.#held.length === this.#sent) this.#dropSent()
    const up = this.#up
    if (up !== undefined && !this.#upBlocked && this.#sent === this.#held.length) {
      if (this.#replayable) {
        this.#hold(chunk)
        this.#sent += 1
      }
      return this.#forward(up, chunk)
    }
    this.#hold(chunk)
    // A body that no upstream has yet is not asked for any further.
    this.#owedDown += length
  }

  #hold(chunk: Buffer): void {
    this.#held.push(chunk)
    this.#heldBytes += chunk.length
  }

  #forward(up: HttpStream, chunk: Buffer): void {
    if (up.write(chunk)) return this.#down.consumed(chunk.length)
    this.#upBlocked = true
    this.#owedDown += chunk.length
  }

  #flushRequest(): void {
    const up = this.#up
    if (up === undefined) return
    while (this.#sent < this.#held.length && !this.#upBlocked) {
      const chunk = this.#held[this.#sent]
      this.#sent += 1
      if (chunk !== undefined && !up.write(chunk)) this.#upBlocked = true
      if (this.#up !== up) return
    }
    if (!this.#replayable) this.#dropSent()
    if (this.#upBlocked) return
    const owed = this.#owedDown
    this.#owedDown = 0
    if (owed > 0) this.#down.consumed(owed)
    if (this.#requestEnded && this.#sent === this.#held.length) this.#endRequest(up)
  }

  #endRequest(up: HttpStream): void {
    if (this.#endSent) return
    this.#endSent = true
    if (this.#requestTrailers === undefined) up.end()
    else up.respond(this.#requestTrailers, true)
  }

  #dropSent(): void {
    this.#replayable = false
    for (const chunk of this.#held.splice(0, this.#sent)) this.#heldBytes -= chunk.length
    this.#sent = 0
  }

  /** Nobody wants the rest of the request any more. */
  #dropRequest(): void {
    this.#held.length = 0
    this.#heldBytes = 0
    this.#sent = 0
    const owed = this.#owedDown
    this.#owedDown = 0
    if (owed > 0) this.#down.consumed(owed)
  }

  readonly #onRequestTrailers = (trailers: HeaderList): void => {
    this.#requestTrailers = ownTrailers(trailers)
    this.#onRequestEnd()
  }

  readonly #onRequestEnd = (): void => {
    if (this.#requestEnded) return
    this.#requestEnded = true
    this.#record.requestMessages = this.#requestMessages?.count ?? 0
    for (const copy of this.#copies) copy.end(this.#requestTrailers)
    this.#owner.requestComplete()
    const up = this.#up
    if (up !== undefined && !this.#upBlocked && this.#sent === this.#held.length) this.#endRequest(up)
    this.#finishWhenDone()
  }

  readonly #onUpDrain = (): void => {
    this.#upBlocked = false
    this.#flushRequest()
  }

  readonly #onResponseHeaders = (headers: HeaderList, endStream: boolean): void => {
    if (!this.#committed) return this.#owner.responseHead(headers, endStream)
    this.#noteTrailers(headers)
    this.onTrailers?.(headers)
    this.#responseEnded = true
    this.#leaveUpstream()
    this.#down.respond(headers, true)
    this.#finishWhenDone()
  }

  #noteTrailers(trailers: HeaderList): void {
    if (this.#record.isGrpc) this.#record.grpcStatus = grpcStatusOf(trailers)
  }

  readonly #onResponseData = (chunk: Buffer): void => {
    const { length } = chunk
    this.#record.bytesSent += length
    this.#passed(length)
    this.#responseMessages?.push(chunk)
    if (this.#down.write(chunk)) this.#up?.consumed(length)
    else this.#owedUp += length
  }

  readonly #onDownDrain = (): void => {
    const owed = this.#owedUp
    this.#owedUp = 0
    if (owed > 0) this.#up?.consumed(owed)
  }

  readonly #onResponseEnd = (): void => {
    if (this.#responseEnded) return
    this.#onDownDrain()
    this.#responseEnded = true
    this.#leaveUpstream()
    this.#down.end()
    this.#finishWhenDone()
  }

  /** An upstream that answered in full before it had the whole request does not want the rest of it. */
  #leaveUpstream(): void {
    const up = this.#release()
    if (!this.#requestEnded || !this.#endSent) up?.reset(noError)
    this.#dropRequest()
  }

  readonly #onUpReset = (code: number, reason: string): void => {
    this.#up = undefined
    this.#owedUp = 0
    this.#owner.upstreamReset(code, reason)
  }

  readonly #onDownReset = (code: number, reason: string): void => {
    if (this.#over) return
    // A caller that has its answer may leave the rest of its request unsent.
    if (this.#responseEnded && code === noError) return this.#finish()
    this.#over = true
    if (!this.#requestEnded) for (const copy of this.#copies) copy.abort()
    this.detach()
    this.#owner.callerGone(code, reason)
  }

  #finishWhenDone(): void {
    if (this.#responseEnded && this.#requestEnded) this.#finish()
  }

  #finish(): void {
    if (this.#over) return
    this.#over = true
    this.#record.responseMessages = this.#responseMessages?.count ?? 0
    this.#owner.finished()
  }
}

const none: readonly RequestCopy[] = []
