import type { HeaderList, HttpStream } from '../../agent/dataplane/http/stream.ts'

/** One exchange whose peer is the test: what is sent on it is written down, and it takes as much as the test lets it. */
export class PlayedStream implements HttpStream {
  readonly protocol = 'HTTP/2'
  onHeaders: HttpStream['onHeaders'] = undefined
  onData: HttpStream['onData'] = undefined
  onEnd: HttpStream['onEnd'] = undefined
  onReset: HttpStream['onReset'] = undefined
  onDrain: HttpStream['onDrain'] = undefined
  /** Everything sent, in order: `head 200`, `data abc`, `end`, `trailers x`, `reset 8`. */
  readonly sent: string[] = []
  /** Bytes given back so far. */
  givenBack = 0
  /** Writes return false. */
  isFull = false

  respond(headers: HeaderList, endStream: boolean): void {
    const kind = headers[0]?.startsWith(':') ? `head ${headers[1]}` : `trailers ${headers[0]}`
    this.sent.push(endStream && kind.startsWith('head') ? `${kind} end` : kind)
  }

  write(chunk: Buffer): boolean {
    this.sent.push(`data ${chunk.toString()}`)
    return !this.isFull
  }

  end(): void {
    this.sent.push('end')
  }

  consumed(bytes: number): void {
    this.givenBack += bytes
  }

  reset(code: number): void {
    this.sent.push(`reset ${code}`)
  }

  /** The peer sends payload. */
  arrives(text: string): void {
    this.onData?.(Buffer.from(text))
  }

  /** There is room again. */
  drains(): void {
    this.isFull = false
    this.onDrain?.()
  }
}
