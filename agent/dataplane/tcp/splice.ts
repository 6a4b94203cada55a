import type { Socket } from 'node:net'
import type { HttpStream } from '../http/stream.ts'
import { resetSocket } from './reset.ts'

/** CANCEL of RFC 9113 section 7: a tunnel that is broken off. */
export const streamCancel = 0x8

/** A piece of this size is probably not alone: what else comes in the same turn goes out with it, */
const burstBytes = 8 * 1024
/** up to this size. */
const gatherBytes = 128 * 1024

/** How a spliced connection ended: which side broke it off, if one did. */
export type SpliceEnd = 'ok' | 'socket-reset' | 'stream-reset'

export interface SpliceObserver {
  /** Bytes that went from the socket into the stream. */
  fromSocket(bytes: number): void
  /** Bytes that went from the stream into the socket. */
  fromStream(bytes: number): void
  /** Called once, when nothing more can pass in either direction. */
  ended(end: SpliceEnd, detail: string): void
}

/**
 * Joins a TCP socket and an HTTP/2 stream: bytes, half-closes and resets go over faithfully in both directions, and a
 * slow reader holds its writer back. The stream's window is given back only for what the socket's kernel buffer took.
 * The socket must have been opened with `allowHalfOpen`, and may be paused.
 */
export function splice(socket: Socket, stream: HttpStream, observer: SpliceObserver): void {
  let socketEnded = false
  let streamEnded = false
  let over = false
  /** Bytes written to the socket and not yet given back to the peer's window. */
  let owed = 0

  const finish = (end: SpliceEnd, detail: string) => {
    if (over) return
    over = true
    observer.ended(end, detail)
  }
  const finishWhenBothEnded = () => {
    if (socketEnded && streamEnded) finish('ok', '')
  }

  socket.on('data', (chunk: Buffer) => {
    observer.fromSocket(chunk.length)
    if (!stream.write(chunk)) socket.pause()
  })
  stream.onDrain = () => {
    socket.resume()
  }
  socket.on('end', () => {
    socketEnded = true
    stream.end()
    finishWhenBothEnded()
  })

  /** Bytes held back for one common write; a burst arrives as TLS records, each too small for a write of its own. */
  let gathered = 0
  const flush = () => {
    if (gathered === 0) return
    gathered = 0
    socket.uncork()
  }
  stream.onData = chunk => {
    const { length } = chunk
    observer.fromStream(length)
    if (gathered === 0 && length >= burstBytes) {
      socket.cork()
      setImmediate(flush)
    }
    if (gathered > 0 || length >= burstBytes) gathered += length
    if (socket.write(chunk) && owed === 0) stream.consumed(length)
    else owed += length
    if (gathered >= gatherBytes) flush()
  }
  // Owed after the end too: the window belongs to the whole session. A socket that is ending says `finish`, not `drain`.
  const giveBack = () => {
    const bytes = owed
    owed = 0
    if (bytes > 0) stream.consumed(bytes)
  }
  socket.on('drain', giveBack)
  socket.on('finish', giveBack)
  socket.on('close', giveBack)
  stream.onEnd = () => {
    streamEnded = true
    socket.end()
    finishWhenBothEnded()
  }

  stream.onReset = (_code, reason) => {
    finish('stream-reset', reason)
    resetSocket(socket)
  }
  socket.on('error', error => {
    if (!over) {
      finish('socket-reset', error.message)
      stream.reset(streamCancel)
    }
  })
  socket.on('close', () => {
    if (over && socketEnded && streamEnded) return
    if (!over) {
      finish('socket-reset', 'closed')
      stream.reset(streamCancel)
    }
  })
  socket.resume()
}
