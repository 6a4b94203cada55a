import type { RouteDestination } from '../../../mesh/routing/route.ts'
import { mirrorRequest } from '../../../mesh/routing/shape.ts'
import type { ThreadState } from '../state.ts'
import type { Table } from '../table.ts'
import type { EndpointState } from '../upstream/endpoint.ts'
import type { OutboundConnection } from './outbound-decision.ts'
import { pseudo } from './request-facts.ts'
import type { HeaderList, HttpProtocol, HttpStream } from './stream.ts'

/** Of a request's body, so much may wait for a mirror that does not take it; then the mirror is given up. */
const maxWaitingBytes = 1024 * 1024

/** Counts what the endpoint has to do. */
type Load = Pick<EndpointState, 'begin' | 'end'>

/** What takes a copy of a request as it passes. */
export interface RequestCopy {
  data(chunk: Buffer): void
  end(trailers: HeaderList | undefined): void
  /** The request broke off. */
  abort(): void
}

/**
 * Sends a copy of a request to another destination and forgets about it: whatever becomes of it, the request itself is
 * neither held up nor changed (VirtualService `mirror`). `headers` is the request as it is sent; undefined when there is
 * nobody to send it to.
 */
export function sendMirror(
  state: ThreadState,
  table: Table,
  { caller, sourceAddress }: OutboundConnection,
  destination: RouteDestination,
  headers: HeaderList,
  protocol: HttpProtocol,
  endStream: boolean,
): RequestCopy | undefined {
  const active = state.clusters.of(table, caller, destination)
  const upstream = active?.cluster.pick()
  if (active === undefined || upstream === undefined) return undefined
  const mirror = new Mirror(upstream.state)
  const { settings } = active
  const call = { target: upstream.target, settings, caller, port: active.destination.port.protocol, protocol }
  const copy = mirrorRequest(headers, sourceAddress)
  if (copy[pseudo.authority] === '') copy[pseudo.authority] = destination.host
  state.upstreams.open(call, copy, endStream, result => {
    active.cluster.report(upstream, result.kind === 'open' ? 'connected' : 'connect-failure')
    if (result.kind === 'open') mirror.opened(result.stream, endStream)
    else mirror.over()
  })
  return mirror
}

/** One copy: what waits to be sent to it, and its stream once there is one. */
export class Mirror implements RequestCopy {
  readonly #load: Load
  #stream: HttpStream | undefined
  #waiting: Buffer[] = []
  #waitingBytes = 0
  #ended: { readonly trailers: HeaderList | undefined } | undefined
  #isBlocked = true
  /** The mirror has the whole request. */
  #isSent = false
  #isOver = false

  constructor(load: Load) {
    this.#load = load
    load.begin()
  }

  opened(stream: HttpStream, endStream: boolean): void {
    if (this.#isOver) return stream.reset(streamCancel)
    this.#stream = stream
    stream.onData = chunk => stream.consumed(chunk.length)
    stream.onEnd = () => this.#answered()
    stream.onReset = () => this.over()
    stream.onHeaders = (_headers, end) => {
      if (end) this.#answered()
    }
    stream.onDrain = () => this.#flush()
    this.#isBlocked = false
    this.#isSent = endStream
    if (!endStream) this.#flush()
  }

  data(chunk: Buffer): void {
    if (this.#isOver) return
    if (!this.#isBlocked && this.#waiting.length === 0) {
      this.#isBlocked = this.#stream?.write(chunk) === false
      return
    }
    this.#waiting.push(chunk)
    this.#waitingBytes += chunk.length
    if (this.#waitingBytes > maxWaitingBytes) this.abort()
  }

  end(trailers: HeaderList | undefined): void {
    this.#ended = { trailers }
    if (!this.#isBlocked) this.#flush()
  }

  abort(): void {
    this.#stream?.reset(streamCancel)
    this.over()
  }

  over(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#waiting = []
    this.#load.end()
  }

  /** One that answered before it had the whole request does not want the rest of it. */
  #answered(): void {
    if (!this.#isSent && !this.#isOver) this.#stream?.reset(noError)
    this.over()
  }

  #flush(): void {
    const stream = this.#stream
    if (stream === undefined || this.#isOver) return
    this.#isBlocked = false
    while (this.#waiting.length > 0 && !this.#isBlocked) {
      const chunk = this.#waiting.shift()
      if (chunk === undefined) break
      this.#waitingBytes -= chunk.length
      this.#isBlocked = !stream.write(chunk)
    }
    if (this.#isBlocked || this.#ended === undefined) return
    const { trailers } = this.#ended
    this.#ended = undefined
    this.#isSent = true
    if (trailers === undefined) stream.end()
    else stream.respond(trailers, true)
  }
}

/** RFC 9113 section 7. */
const noError = 0x0
const streamCancel = 0x8
