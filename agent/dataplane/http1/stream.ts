import type { HeaderList, HttpProtocol, HttpStream } from '../http/stream.ts'

/** What a stream needs of its connection. */
export interface StreamHost {
  respond(stream: Http1Stream, headers: HeaderList, endStream: boolean): void
  write(stream: Http1Stream, chunk: Buffer): boolean
  end(stream: Http1Stream): void
  consumed(stream: Http1Stream, bytes: number): void
  reset(stream: Http1Stream, code: number): void
}

/** One request and its response. Once the exchange is over its connection does not know it any more. */
export class Http1Stream implements HttpStream {
  readonly protocol: HttpProtocol
  onHeaders: HttpStream['onHeaders'] = undefined
  onData: HttpStream['onData'] = undefined
  onEnd: HttpStream['onEnd'] = undefined
  onReset: HttpStream['onReset'] = undefined
  onDrain: HttpStream['onDrain'] = undefined
  /** It is over early: nothing may be told of it any more. */
  broken = false
  readonly #host: StreamHost

  constructor(host: StreamHost, protocol: HttpProtocol) {
    this.#host = host
    this.protocol = protocol
  }

  respond(headers: HeaderList, endStream: boolean): void {
    this.#host.respond(this, headers, endStream)
  }

  write(chunk: Buffer): boolean {
    return this.#host.write(this, chunk)
  }

  end(): void {
    this.#host.end(this)
  }

  consumed(bytes: number): void {
    this.#host.consumed(this, bytes)
  }

  reset(code: number): void {
    this.#host.reset(this, code)
  }

  /** Tells the user that it is over early: at most once. */
  broke(code: number, reason: string): void {
    if (this.broken) return
    this.broken = true
    const { onReset } = this
    this.onReset = undefined
    onReset?.(code, reason)
  }
}
