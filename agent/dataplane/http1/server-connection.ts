import type { Duplex } from 'node:stream'
import type { Clock } from '../../../mesh/std/clock.ts'
import { h2Error } from '../h2/frames.ts'
import type { HeaderList, HttpServerConnection } from '../http/stream.ts'
import type { HeadLines } from './head-lines.ts'
import { HeadReader } from './head-reader.ts'
import { type BodySink, IncomingBody } from './incoming-body.ts'
import { type Http1Limits, withDefaults } from './limits.ts'
import { MessageWriter, upgradeFields, upgradeOf } from './message-writer.ts'
import { RequestHead } from './request-head.ts'
import { planResponse, type ResponsePlan, refusal } from './response-plan.ts'
import { ServerWatch } from './server-watch.ts'
import { Http1Shared } from './shared.ts'
import { statusLine } from './status-lines.ts'
import { Http1Stream, type StreamHost } from './stream.ts'
import { passedTrailers } from './trailers.ts'
import { type Http1Problem, type ViolationCode, violations } from './violations.ts'
import { Wire, type WireOwner } from './wire.ts'

export type { Http1Problem } from './violations.ts'

export interface Http1ServerOptions {
  readonly clock: Clock
  readonly limits?: Partial<Http1Limits>
  /** What was read of the socket already. */
  readonly first?: Buffer
  /** `:scheme` of the requests, and the only one that a target in absolute form may have: `http`. */
  readonly scheme?: 'http' | 'https'
  /** Names, in lower case, of the request trailers that are passed on: none. */
  readonly requestTrailers?: ReadonlySet<string>
  /** Buffers of the thread. */
  readonly shared?: Http1Shared
  /** A request was refused before anybody saw it; the answer is on its way. */
  refused(problem: Http1Problem): void
}

/**
 * Where a connection is: before or in a head, in a body, waiting for the rest of the response, dropping a body that
 * nobody wants, before the answer to an upgrade, after it, or closed.
 */
type Phase = 'head' | 'body' | 'answer' | 'drain' | 'switching' | 'tunnel' | 'over'

/**
 * The server side of an HTTP/1.1 connection (RFC 9112): requests are read strictly, one after another, and responses
 * are written canonically. A pipelined request is read when the one before it is answered. It reads from the next turn
 * on. The socket allows half-open connections, and may be paused. The methods of its parts' interfaces are theirs.
 */
export class Http1ServerConnection implements HttpServerConnection, StreamHost, WireOwner, BodySink {
  onStream: HttpServerConnection['onStream'] = undefined
  onClose: HttpServerConnection['onClose'] = undefined

  readonly #options: Http1ServerOptions
  readonly #limits: Http1Limits
  readonly #wire: Wire
  readonly #head: RequestHead
  readonly #heads: HeadReader
  readonly #body: IncomingBody
  readonly #writer: MessageWriter
  readonly #watch: ServerWatch
  #phase: Phase = 'head'
  #stream: Http1Stream | undefined
  /** Of the current exchange: the final head was sent; the connection goes on after it; 100 (Continue) was sent. */
  #answered = false
  #keepAlive = true
  #continued = false
  /** Our side of a tunnel has ended. */
  #ended = false
  #peerEnded = false
  /** The stream of a tunnel was told of that. */
  #endTold = false
  #leaving = false
  #feeding = false
  #drained = 0

  constructor(socket: Duplex, options: Http1ServerOptions) {
    const { clock } = options
    const limits = withDefaults(options.limits)
    this.#options = options
    this.#limits = limits
    this.#wire = new Wire(socket, this, limits, clock, options.shared ?? new Http1Shared())
    this.#head = new RequestHead(limits, options.scheme ?? 'http')
    this.#body = new IncomingBody(this, limits)
    this.#writer = new MessageWriter(this.#wire.output)
    this.#heads = new HeadReader(this.#head, limits, clock, () => this.#refuse('head-timeout'))
    this.#watch = new ServerWatch(limits, clock, this)
    this.#wire.start(options.first)
  }

  get openStreams(): number {
    return this.#stream === undefined ? 0 : 1
  }

  /** An exchange under way finishes; nothing else is taken. */
  goaway(): void {
    if (this.#leaving || this.#phase === 'over') return
    this.#leaving = true
    if (this.#phase === 'head' && !this.#heads.waitsForRest && !this.#wire.holds) this.#close('going away')
  }

  destroy(reason: string): void {
    if (this.#phase === 'over') return
    this.#breakOff(h2Error.internal, reason)
  }

  get holdsBack(): boolean {
    return this.#wire.paused
  }

  tooSlow(): void {
    this.bodyProblem('body-timeout')
  }

  unused(): void {
    this.#close('idle for too long')
  }

  received(chunk: Buffer): void {
    if (this.#wire.holds) this.#wire.hold(chunk)
    else this.#feed(chunk)
  }

  peerEnded(): void {
    this.#peerEnded = true
    switch (this.#phase) {
      case 'head':
      case 'drain':
        if (!this.#wire.holds) this.#close('the peer closed the connection')
        break
      case 'body':
        this.#breakOff(h2Error.cancel, 'the client closed the connection in the middle of its request')
        break
      case 'tunnel':
        if (this.#wire.holds || this.#endTold) return
        this.#endTold = true
        this.#stream?.onEnd?.()
        if (this.#ended) this.#finishTunnel()
        break
    }
  }

  lost(reason: string): void {
    this.#over(h2Error.cancel, reason)
  }

  drained(): void {
    this.#stream?.onDrain?.()
  }

  respond(stream: Http1Stream, headers: HeaderList, endStream: boolean): void {
    if (stream !== this.#stream || this.#phase === 'tunnel' || this.#phase === 'drain') return
    if (this.#answered) return this.#endResponse(headers)
    const status = Number(headers[1])
    if (status === 101) this.#switch(headers)
    else if (status < 200) this.#interim(status, headers)
    else this.#respond(planResponse(this.#head, status, headers, endStream), status, headers, endStream)
  }

  write(stream: Http1Stream, chunk: Buffer): boolean {
    if (stream !== this.#stream || !this.#answered || this.#phase === 'drain' || this.#ended) return false
    if (!this.#writer.payload(chunk)) {
      this.#breakOff(h2Error.internal, 'more payload than its content-length')
      return false
    }
    return this.#wire.output.hasRoom()
  }

  end(stream: Http1Stream): void {
    if (stream !== this.#stream || !this.#answered || this.#phase === 'drain') return
    if (this.#phase !== 'tunnel') return this.#endResponse(undefined)
    if (this.#ended) return
    this.#ended = true
    this.#wire.output.end()
    if (this.#peerEnded) this.#finishTunnel()
  }

  consumed(stream: Http1Stream, bytes: number): void {
    if (stream === this.#stream) this.#wire.consumed(bytes)
  }

  reset(stream: Http1Stream, code: number): void {
    if (stream !== this.#stream) return
    // a response that was sent in full is not taken back
    if (this.#phase === 'drain') this.#close('the rest of a request is not wanted')
    else this.#breakOff(code, 'reset by this side')
  }

  bodyData(chunk: Buffer): void {
    const { length } = chunk
    this.#watch.bytes += length
    if (this.#phase === 'drain') {
      this.#drained += length
      if (this.#drained > this.#limits.drainBytes) return this.#close('the rest of a request is too long to be dropped')
    }
    this.#deliver(chunk)
  }

  bodyEnd(lines: HeadLines | undefined): void {
    const stream = this.#stream
    const passed = lines === undefined ? undefined : passedTrailers(lines, this.#options.requestTrailers)
    if (passed === 'forbidden') return this.bodyProblem('trailers')
    if (this.#phase === 'drain') this.#next()
    else this.#phase = 'answer'
    if (passed !== undefined) stream?.onHeaders?.(passed, true)
    if (stream?.broken === false) stream.onEnd?.()
  }

  bodyProblem(code: ViolationCode): void {
    const { status, detail } = violations[code]
    if (this.#phase === 'drain') this.#close(detail)
    else if (this.#answered) this.#breakOff(h2Error.protocol, detail)
    else this.#answerAndClose(status, detail)
  }

  #feed(bytes: Buffer): void {
    const { output } = this.#wire
    let at = 0
    this.#feeding = true
    output.hold()
    while (at < bytes.length && this.#phase !== 'over') {
      if (this.#phase === 'head') at = this.#readHead(bytes, at)
      else if (this.#body.active) at = this.#body.push(bytes, at)
      else {
        const rest = at === 0 ? bytes : bytes.subarray(at)
        at = bytes.length
        if (this.#phase === 'tunnel') this.#deliver(rest)
        else this.#wire.hold(rest)
      }
    }
    this.#feeding = false
    output.release()
    if (this.#phase !== 'over') this.#watch.owesBody(this.#body.active)
  }

  #readHead(bytes: Buffer, from: number): number {
    const next = this.#heads.read(bytes, from)
    const { result } = this.#heads
    if (result === 'complete') this.#begin()
    else if (result !== 'incomplete') this.#refuse(result)
    return next
  }

  #begin(): void {
    const head = this.#head
    const stream = new Http1Stream(this, head.oldVersion ? 'HTTP/1.0' : 'HTTP/1.1')
    this.#stream = stream
    this.#answered = false
    this.#continued = false
    this.#keepAlive = head.keepAlive
    this.#watch.exchanges += 1
    const hasBody = head.chunked || head.contentLength > 0
    if (hasBody) this.#body.start(head.chunked ? 'chunked' : 'length', head.contentLength)
    this.#phase = hasBody ? 'body' : head.upgrade ? 'switching' : 'answer'
    if (this.onStream === undefined) this.#breakOff(h2Error.refusedStream, 'nobody takes requests')
    else this.onStream(stream, head.list(), this.#phase === 'answer')
  }

  #deliver(chunk: Buffer): void {
    this.#wire.delivered(chunk.length)
    const stream = this.#stream
    if (stream?.onData === undefined) this.#wire.consumed(chunk.length)
    else stream.onData(chunk)
  }

  #interim(status: number, headers: HeaderList): void {
    // RFC 9110 section 15.2: a client of HTTP/1.0 does not know them
    if (this.#head.oldVersion) return
    if (!this.#writer.response(statusLine(status), headers, true, '')) return this.#unwritable()
    if (status === 100) this.#continued = true
    this.#wire.output.flush()
  }

  #respond(plan: ResponsePlan | undefined, status: number, headers: HeaderList, endStream: boolean): void {
    if (plan === undefined) return this.#unwritable()
    const stream = this.#stream
    const switching = this.#phase === 'switching'
    if (!this.#goesOn(switching, endStream)) this.#keepAlive = false
    if (plan.framing === 'close') this.#keepAlive = false
    const ending = plan.ending(this.#keepAlive, this.#head.oldVersion)
    if (!this.#writer.response(statusLine(status), headers, plan.dropLength, ending)) return this.#unwritable()
    this.#answered = true
    this.#writer.begin(plan.framing, plan.length)
    if (switching) {
      this.#phase = 'answer'
      stream?.onEnd?.()
    }
    if (endStream && stream === this.#stream) this.#endResponse(undefined)
  }

  /** Whether another request can follow this response, as far as is known when its head is sent. */
  #goesOn(switching: boolean, endStream: boolean): boolean {
    // what came early was meant for a protocol that is not spoken
    if (this.#leaving || switching) return false
    if (this.#phase !== 'body') return true
    if (this.#head.expectsContinue && !this.#continued) return false
    return !endStream || this.#body.left <= this.#limits.drainBytes
  }

  #endResponse(trailers: HeaderList | undefined): void {
    if (!this.#writer.end(trailers)) {
      return this.#breakOff(
        h2Error.internal,
        'less payload than its content-length, or trailers that cannot be written',
      )
    }
    this.#wire.output.flush()
    if (this.#phase === 'answer') return this.#next()
    this.#phase = 'drain'
    this.#drained = 0
    if (!this.#keepAlive) this.#close('the response was the last one')
  }

  /** The exchange is over: the connection closes, or takes the next request. */
  #next(): void {
    this.#stream = undefined
    this.#wire.consumedAll()
    if (!this.#keepAlive || this.#leaving) return this.#close('the response was the last one')
    this.#phase = 'head'
    if (this.#feeding) return
    if (this.#wire.holds) process.nextTick(this.#feedHeld)
    else if (this.#peerEnded) this.#close('the peer closed the connection')
  }

  readonly #feedHeld = (): void => {
    if (this.#phase !== 'head' && this.#phase !== 'tunnel') return
    const held = this.#wire.takeHeld()
    if (held !== undefined) this.#feed(held)
    if (this.#peerEnded && !this.#wire.holds) this.peerEnded()
  }

  #switch(headers: HeaderList): void {
    const protocol = upgradeOf(headers)
    if (this.#phase !== 'switching' || protocol === '') return this.#unwritable()
    if (!this.#writer.response(statusLine(101), headers, true, upgradeFields(protocol))) return this.#unwritable()
    this.#answered = true
    this.#ended = false
    this.#writer.begin('raw', 0)
    this.#phase = 'tunnel'
    this.#wire.carriesTunnel()
    this.#wire.output.flush()
    process.nextTick(this.#feedHeld)
  }

  #finishTunnel(): void {
    this.#stream = undefined
    this.#close('the upgraded connection has ended')
  }

  #unwritable(): void {
    this.#breakOff(h2Error.internal, 'the response cannot be written')
  }

  #refuse(code: ViolationCode): void {
    const { method, path, authority } = this.#head
    const { status, detail } = violations[code]
    this.#answerAndClose(status, detail)
    this.#options.refused({ status, code, detail, method, path, authority })
  }

  #answerAndClose(status: number, detail: string): void {
    const { output } = this.#wire
    output.payload(Buffer.from(refusal(status, detail), 'latin1'))
    this.#wire.close()
    this.#over(h2Error.protocol, detail)
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
    this.#watch.stop()
    const stream = this.#stream
    this.#stream = undefined
    stream?.broke(code, reason)
    this.onClose?.(reason)
  }
}
