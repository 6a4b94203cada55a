/**
 * A two-way stream of whole messages, whatever carries it. One suite (`test/compliance/channel.ts`) runs over every
 * transport.
 */
export interface Channel<In, Out> {
  /** Sends one message. After a close it does nothing. */
  send(message: Out): void
  /** Bytes handed to `send` and not yet to the network: what back-pressure is judged by. */
  bufferedBytes(): number
  /** Sets the one receiver; messages that came before are delivered to it first, in order. */
  onMessage(receive: (message: In) => void): void
  /** Called once, with the reason, when either side closed or the transport failed. */
  onClose(closed: (reason: string) => void): void
  close(reason: string): void
}
