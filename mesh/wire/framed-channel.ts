import { describeError } from '../std/errors.ts'
import type { Channel } from './channel.ts'
import type { Codec } from './codec.ts'

/** Messages that arrive before anybody receives them are kept, but only so many. */
const maxWaiting = 256

/** What carries whole frames of bytes: a WebSocket, a gRPC stream. */
export interface Carrier {
  write(frame: Buffer): void
  bufferedBytes(): number
  /** Ends the connection, in order where that is possible and by force where it is not. */
  end(reason: string): void
}

/** A channel over a carrier, and the two things the carrier has to report to it. */
export interface FramedChannel<In, Out> {
  readonly channel: Channel<In, Out>
  received(frame: Buffer): void
  /** The carrier is gone; harmless after a close of our own. */
  gone(reason: string): void
}

/**
 * Puts a codec and the promises of {@link Channel} on top of a carrier, once for all transports: order, one receiver,
 * one close, and that bytes which are no message end the channel with a reason instead of an exception.
 */
export function frameChannel<In, Out>(carrier: Carrier, codec: Codec<In, Out>): FramedChannel<In, Out> {
  let waiting: In[] = []
  let receive: ((message: In) => void) | undefined
  let onClosed: ((reason: string) => void)[] = []
  let closedWith: string | undefined

  function settle(reason: string): boolean {
    if (closedWith !== undefined) return false
    closedWith = reason
    waiting = []
    const listeners = onClosed
    onClosed = []
    for (const listener of listeners) listener(reason)
    return true
  }

  function close(reason: string): void {
    if (settle(reason)) carrier.end(reason)
  }

  function received(frame: Buffer): void {
    if (closedWith !== undefined) return
    let message: In
    try {
      message = codec.decode(frame)
    } catch (error) {
      return close(`WEFT_WIRE: ${describeError(error)}`)
    }
    if (receive !== undefined) return receive(message)
    if (waiting.length >= maxWaiting) return close('WEFT_WIRE: messages that nobody receives')
    waiting.push(message)
  }

  const channel: Channel<In, Out> = {
    send(message) {
      if (closedWith !== undefined) return
      let frame: Buffer
      try {
        frame = codec.encode(message)
      } catch (error) {
        return close(`WEFT_WIRE: ${describeError(error)}`)
      }
      carrier.write(frame)
    },
    bufferedBytes: () => (closedWith === undefined ? carrier.bufferedBytes() : 0),
    onMessage(receiver) {
      receive = receiver
      for (let message = waiting.shift(); message !== undefined; message = waiting.shift()) receiver(message)
    },
    onClose(listener) {
      if (closedWith === undefined) onClosed.push(listener)
      else listener(closedWith)
    },
    close,
  }
  return { channel, received, gone: reason => void settle(reason) }
}
