import { Duplex } from 'node:stream'
import type { HttpStream } from '../http/stream.ts'
import { streamCancel } from '../tcp/splice.ts'

type Done = (error?: Error | null) => void

/**
 * A tunnel's stream as a socket, so that an HTTP/1.1 or HTTP/2 connection can run in it. Half-closes and resets pass
 * both ways, what its reader does not take stays in the peer's window, and a write is done when the window took it.
 */
export function tunnelSocket(stream: HttpStream): Duplex & { readonly bytesRead: number } {
  return new TunnelSocket(stream)
}

class TunnelSocket extends Duplex {
  bytesRead = 0
  readonly #stream: HttpStream
  /** Bytes that were handed on and not given back to the peer's window yet. */
  #owed = 0
  #writing: Done | undefined
  #peerEnded = false
  #ended = false
  #reset = false

  constructor(stream: HttpStream) {
    super({ allowHalfOpen: true })
    this.#stream = stream
    stream.onHeaders = undefined
    stream.onData = chunk => this.#received(chunk)
    stream.onEnd = () => {
      this.#peerEnded = true
      this.push(null)
    }
    stream.onDrain = () => this.#written()
    stream.onReset = (_code, reason) => {
      this.#reset = true
      this.destroy(new Error(`the tunnel was reset: ${reason}`))
    }
  }

  override _read(): void {
    const bytes = this.#owed
    this.#owed = 0
    if (bytes > 0) this.#stream.consumed(bytes)
  }

  override _write(chunk: Buffer, _encoding: string, done: Done): void {
    if (this.#stream.write(chunk)) done()
    else this.#writing = done
  }

  override _writev(chunks: readonly { readonly chunk: Buffer }[], done: Done): void {
    let taken = true
    for (const { chunk } of chunks) taken = this.#stream.write(chunk)
    if (taken) done()
    else this.#writing = done
  }

  override _final(done: Done): void {
    this.#ended = true
    this.#stream.end()
    done()
  }

  override _destroy(error: Error | null, done: Done): void {
    this._read()
    if (!this.#reset && !(this.#peerEnded && this.#ended)) {
      this.#stream.onReset = undefined
      this.#stream.reset(streamCancel)
    }
    // what still comes has no reader, and must not hold up the session
    this.#stream.onData = chunk => this.#stream.consumed(chunk.length)
    this.#writing = undefined
    done(error)
  }

  #received(chunk: Buffer): void {
    this.bytesRead += chunk.length
    if (this.push(chunk)) this.#stream.consumed(chunk.length)
    else this.#owed += chunk.length
  }

  #written(): void {
    const done = this.#writing
    this.#writing = undefined
    done?.()
  }
}
