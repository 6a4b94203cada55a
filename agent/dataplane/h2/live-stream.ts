import { ReceiveWindow } from './receive-window.ts'
import type { H2Stream, HeaderList } from './stream.ts'

/** What a stream needs of its connection. */
export interface StreamHost {
  sendHeaders(stream: LiveStream, headers: HeaderList, endStream: boolean): void
  send(stream: LiveStream, chunk: Buffer): boolean
  endSending(stream: LiveStream, trailers: HeaderList | undefined): void
  giveBack(stream: LiveStream, bytes: number): void
  resetLocally(stream: LiveStream, code: number): void
}

/**
 * A stream as its connection sees it: the public calls, and beside them the state that the parts of a connection
 * share. Users of a connection only ever see {@link H2Stream}.
 */
export class LiveStream implements H2Stream {
  readonly id: number
  readonly protocol = 'HTTP/2'
  onHeaders: H2Stream['onHeaders'] = undefined
  onData: H2Stream['onData'] = undefined
  onEnd: H2Stream['onEnd'] = undefined
  onReset: H2Stream['onReset'] = undefined
  onDrain: H2Stream['onDrain'] = undefined

  /** Forgotten by the connection: reset, or ended in both directions. */
  gone = false
  /** The peer has ended its side. */
  remoteEnded = false
  /** Our side was asked to end, and the frame that ends it was written. */
  ending = false
  localEnded = false
  /** The request (server) or the final response (client) was received. */
  headSeen = false
  /** An accepted CONNECT, or a granted upgrade: DATA only, RFC 9113 section 8.5. */
  tunnel = false
  /** The request that was sent is a CONNECT or a HEAD. */
  sentConnect = false
  sentHead = false
  /** The request asks for another protocol, which a 101 grants. */
  upgrades = false
  /** Size of the request's header list, while the stream is open. */
  headerBytes = 0
  /** Payload sent, and all that moved in either direction, counted; and what {@link StallWatch} saw last. */
  sent = 0
  sentBefore = 0
  stalledLooks = 0
  moves = 0
  movesBefore = 0
  idleLooks = 0
  /** How often someone looked whether the response has begun. */
  looks = 0
  /** Headers were sent on a stream the peer opened; and any payload went either way. */
  answered = false
  moved = false
  /** Payload bytes that are still to come when a length was declared, else -1. */
  expected = -1

  /** What we may still send; below zero after the peer reduced its initial window. */
  sendWindow: number
  /** Payload that waits for a window or the socket, and how much of the first chunk is sent. */
  readonly queue: Buffer[] = []
  queueOffset = 0
  trailers: HeaderList | undefined = undefined
  /** `write` returned false. */
  wantsDrain = false
  /** Waits in the sender's rotation, and who is next there. */
  ready = false
  next: LiveStream | undefined = undefined
  /** The next one in its chain of {@link OpenStreams}. */
  nextOpen: LiveStream | undefined = undefined

  readonly receiveWindow: ReceiveWindow
  /** Delivered and not consumed yet. */
  outstanding = 0

  readonly #host: StreamHost

  constructor(host: StreamHost, id: number, sendWindow: number, receiveWindow: number) {
    this.#host = host
    this.id = id
    this.sendWindow = sendWindow
    this.receiveWindow = new ReceiveWindow(receiveWindow)
  }

  respond(headers: HeaderList, endStream: boolean): void {
    this.#host.sendHeaders(this, headers, endStream)
  }

  write(chunk: Buffer): boolean {
    return this.#host.send(this, chunk)
  }

  end(): void {
    this.#host.endSending(this, undefined)
  }

  consumed(bytes: number): void {
    this.#host.giveBack(this, bytes)
  }

  reset(code: number): void {
    this.#host.resetLocally(this, code)
  }
}
