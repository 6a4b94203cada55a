import type { Duplex } from 'node:stream'
import type { Clock } from '../../../mesh/std/clock.ts'
import { h2Error } from '../h2/frames.ts'
import type { HeaderList, HttpClientConnection, HttpStream } from '../http/stream.ts'
import { membersOf } from './field-rules.ts'
import type { HeadLines } from './head-lines.ts'
import { HeadReader } from './head-reader.ts'
import { type BodySink, IncomingBody } from './incoming-body.ts'
import { type Http1Limits, withDefaults } from './limits.ts'
import { MessageWriter } from './message-writer.ts'
import { planRequest } from './request-plan.ts'
import { ResponseHead } from './response-head.ts'
import { Http1Shared } from './shared.ts'
import { Http1Stream, type StreamHost } from './stream.ts'
import { passedTrailers } from './trailers.ts'
import { type ViolationCode, violations } from './violations.ts'
import { Wire, type WireOwner } from './wire.ts'

export interface Http1ClientOptions {
  readonly clock: Clock
  readonly limits?: Partial<Http1Limits>
  /** Buffers of the thread. */
  readonly shared?: Http1Shared
}

/**
 * Where a connection is: without an exchange, before or in a response's head, in its body, waiting for the end of our
 * request, between two exchanges of one read, after a switch of protocols, or closed.
 */
type Phase = 'idle' | 'head' | 'body' | 'answered' | 'settling' | 'tunnel' | 'over'

/**
 * The client side of an HTTP/1.1 connection (RFC 9112), for one exchange at a time. After a clean one it can be opened
 * again; after any doubt about where a message ends it never is. The socket allows half-open connections, and may be
 * paused. The methods of its parts' interfaces are theirs.
 */
export class Http1ClientConnection implements HttpClientConnection, StreamHost, WireOwner, BodySink {
  onClose: HttpClientConnection['onClose'] = undefined
  /** An exchange is over and the connection can be opened again. */
  onIdle: (() => void) | undefined = undefined

  readonly #limits: Http1Limits
  readonly #wire: Wire
  readonly #head: ResponseHead
  readonly #heads: HeadReader
  readonly #body: IncomingBody
  readonly #writer: MessageWriter
  #phase: Phase = 'idle'
  #stream: Http1Stream | undefined
  #leaving = false
  #feeding = false
  /** Of the current exchange: our message is complete; what it asks to switch to; it asks for a tunnel; it has a HEAD's response. */
  #requestEnded = false
  #switchTo = ''
  #connects = false
  #isHead = false
  /** The connection cannot be used after this exchange. */
  #last = false
  #interims = 0
  #flushesBefore = 0

  constructor(socket: Duplex, options: Http1ClientOptions) {
    const { clock } = options
    const limits = withDefaults(options.limits)
    this.#limits = limits
    this.#wire = new Wire(socket, this, limits, clock, options.shared ?? new Http1Shared())
    this.#head = new ResponseHead(limits)
    this.#body = new IncomingBody(this, limits)
    this.#writer = new MessageWriter(this.#wire.output)
    this.#heads = new HeadReader(this.#head, limits, clock, () => this.#violation('head-timeout'))
    this.#wire.start(undefined)
  }

  get openStreams(): number {
    return this.#stream === undefined ? 0 : 1
  }

  /** Another exchange can follow, now or after the one under way, as far as is known. */
  get reusable(): boolean {
    return this.#phase !== 'over' && this.#phase !== 'tunnel' && !this.#leaving && !this.#last
  }

  /** The exchange is to become a tunnel if the peer grants it. */
  get #becomesTunnel(): boolean {
    return this.#connects || this.#switchTo !== ''
  }

  canOpen(): boolean {
    return this.#phase === 'idle' && !this.#leaving
  }

  open(headers: HeaderList, endStream: boolean): HttpStream | undefined {
    if (!this.canOpen()) return undefined
    const { output } = this.#wire
    const plan = planRequest(headers, endStream)
    const stream = new Http1Stream(this, 'HTTP/1.1')
    if (plan === undefined || !this.#writer.request(plan, headers, plan.dropLength, plan.ending)) {
      // its callbacks are set when the caller has it
      process.nextTick(() => stream.broke(h2Error.internal, 'the request cannot be written'))
      return stream
    }
    this.#stream = stream
    this.#phase = 'head'
    this.#flushesBefore = output.flushes
    this.#interims = 0
    this.#isHead = plan.method === 'HEAD'
    this.#switchTo = plan.switchTo
    this.#connects = plan.connects
    this.#last = plan.last
    this.#requestEnded = endStream
    this.#writer.begin(plan.framing, plan.length)
    if (endStream || this.#becomesTunnel) output.flush()
    return stream
  }

  goaway(): void {
    if (this.#leaving || this.#phase === 'over') return
    this.#leaving = true
    if (this.#phase === 'idle') this.#close('going away')
  }

  destroy(reason: string): void {
    this.#breakOff(h2Error.internal, reason)
  }

  received(chunk: Buffer): void {
    if (this.#phase === 'idle' || (this.#phase === 'head' && this.#wire.output.flushes === this.#flushesBefore)) {
      return this.#violation('unasked')
    }
    let at = 0
    this.#feeding = true
    while (at < chunk.length && this.#phase !== 'over') {
      if (this.#body.active) at = this.#body.push(chunk, at)
      else if (this.#phase === 'head') at = this.#readHead(chunk, at)
      else if (this.#phase === 'tunnel') {
        this.#deliver(at === 0 ? chunk : chunk.subarray(at))
        at = chunk.length
      } else {
        // the response was complete: whoever would read the rest as the next one would mix up two requests
        this.#last = true
        at = chunk.length
      }
    }
    this.#feeding = false
    if (this.#phase === 'settling') this.#settle()
  }

  peerEnded(): void {
    switch (this.#phase) {
      case 'idle':
        return this.#close('the peer closed the connection')
      case 'tunnel':
        this.#stream?.onEnd?.()
        if (this.#requestEnded) this.#closeTunnel()
        else this.#last = true
        return
      case 'body':
        if (this.#body.closed()) return
        return this.#breakOff(h2Error.internal, 'the upstream closed the connection in the middle of its response')
      case 'answered':
        return this.#close('the upstream closed the connection before it had the whole request')
      default:
        this.#breakOff(h2Error.internal, 'the upstream closed the connection before it answered')
    }
  }

  lost(reason: string): void {
    this.#over(h2Error.internal, reason)
  }

  drained(): void {
    this.#stream?.onDrain?.()
  }

  /** Only trailers can follow a request's head; they end it. */
  respond(stream: Http1Stream, headers: HeaderList): void {
    if (stream === this.#stream && this.#phase !== 'tunnel') this.#endRequest(headers)
  }

  write(stream: Http1Stream, chunk: Buffer): boolean {
    if (stream !== this.#stream || this.#requestEnded) return false
    if (this.#becomesTunnel && this.#phase !== 'tunnel') {
      this.#breakOff(h2Error.internal, 'data before the protocol was switched')
      return false
    }
    if (!this.#writer.payload(chunk)) {
      this.#breakOff(h2Error.internal, 'more payload than its content-length')
      return false
    }
    return this.#wire.output.hasRoom()
  }

  end(stream: Http1Stream): void {
    if (stream !== this.#stream) return
    if (this.#phase !== 'tunnel') return this.#endRequest(undefined)
    if (this.#requestEnded) return
    this.#requestEnded = true
    this.#wire.output.end()
    if (this.#last) this.#closeTunnel()
  }

  consumed(stream: Http1Stream, bytes: number): void {
    if (stream === this.#stream) this.#wire.consumed(bytes)
  }

  reset(stream: Http1Stream, code: number): void {
    if (stream === this.#stream) this.#breakOff(code, 'reset by this side')
  }

  bodyData(chunk: Buffer): void {
    this.#deliver(chunk)
  }

  bodyEnd(lines: HeadLines | undefined): void {
    const trailers = lines === undefined ? undefined : passedTrailers(lines, 'all')
    if (trailers === 'forbidden') return this.#violation('trailers')
    this.#responseEnded(trailers)
  }

  bodyProblem(code: ViolationCode): void {
    this.#violation(code)
  }

  #readHead(bytes: Buffer, from: number): number {
    const next = this.#heads.read(bytes, from)
    const { result } = this.#heads
    if (result === 'complete') this.#begin()
    else if (result !== 'incomplete') this.#violation(result)
    return next
  }

  #begin(): void {
    const head = this.#head
    const { status } = head
    if (status === 101) return this.#switched()
    if (status < 200) {
      this.#interims += 1
      if (this.#interims > this.#limits.interimResponses) return this.#violation('interim')
      return this.#stream?.onHeaders?.(head.list(), false)
    }
    if (this.#connects && status < 300) return this.#opened()
    if (!head.keepAlive) this.#last = true
    if (this.#becomesTunnel) this.#requestEnded = true
    const bodiless = this.#isHead || status === 204 || status === 304
    const untilClose = !head.chunked && head.contentLength < 0
    if (bodiless || head.contentLength === 0) return this.#responseEnded(head.list())
    if (untilClose) this.#last = true
    this.#phase = 'body'
    this.#body.start(head.chunked ? 'chunked' : untilClose ? 'close' : 'length', head.contentLength)
    this.#stream?.onHeaders?.(head.list(), false)
  }

  #switched(): void {
    if (!isOneOf(this.#head.upgrade, this.#switchTo)) return this.#violation('switch-protocols')
    this.#opened()
  }

  /** Bytes from now on, whatever the head says of a length. */
  #opened(): void {
    this.#phase = 'tunnel'
    this.#wire.carriesTunnel()
    this.#last = false
    this.#writer.begin('raw', 0)
    this.#stream?.onHeaders?.(this.#head.list(), false)
  }

  #deliver(chunk: Buffer): void {
    this.#wire.delivered(chunk.length)
    const stream = this.#stream
    if (stream?.onData === undefined) this.#wire.consumed(chunk.length)
    else stream.onData(chunk)
  }

  /** The response is complete, with a head or trailers that end it, if there are any. */
  #responseEnded(headers: HeaderList | undefined): void {
    const stream = this.#stream
    if (stream === undefined) return
    this.#phase = 'answered'
    if (this.#requestEnded) this.#finish()
    if (headers !== undefined) stream.onHeaders?.(headers, true)
    if (!stream.broken) stream.onEnd?.()
  }

  #endRequest(trailers: HeaderList | undefined): void {
    if (this.#requestEnded || this.#becomesTunnel) return
    if (!this.#writer.end(trailers)) {
      return this.#breakOff(
        h2Error.internal,
        'less payload than its content-length, or trailers that cannot be written',
      )
    }
    this.#requestEnded = true
    this.#wire.output.flush()
    if (this.#phase !== 'answered') return
    // a response that did not wait for its request: nothing says what the upstream has read of it
    this.#last = true
    this.#finish()
  }

  /** Both messages are complete. */
  #finish(): void {
    this.#stream = undefined
    this.#wire.consumedAll()
    this.#phase = 'settling'
    if (!this.#feeding) this.#settle()
  }

  #settle(): void {
    if (this.#last || this.#leaving) return this.#close('the exchange was the last one')
    this.#phase = 'idle'
    this.onIdle?.()
  }

  #violation(code: ViolationCode): void {
    this.#breakOff(h2Error.protocol, violations[code].detail)
  }

  /** Both sides have ended: nothing was broken off. */
  #closeTunnel(): void {
    this.#stream = undefined
    this.#close('the tunnel has ended')
  }

  /** Closes in order. */
  #close(reason: string): void {
    if (this.#phase === 'over') return
    this.#wire.close()
    this.#over(h2Error.noError, reason)
  }

  #breakOff(code: number, reason: string): void {
    if (this.#phase === 'over') return
    this.#wire.abort()
    this.#over(code, reason)
  }

  #over(code: number, reason: string): void {
    if (this.#phase === 'over') return
    this.#phase = 'over'
    this.#body.stop()
    this.#heads.stop()
    const stream = this.#stream
    this.#stream = undefined
    stream?.broke(code, reason)
    this.onClose?.(reason)
  }
}

/** Whether what was switched to is one of the protocols that were asked for. */
function isOneOf(protocol: string, asked: string): boolean {
  const lower = protocol.toLowerCase()
  return lower !== '' && membersOf(asked).includes(lower)
}
