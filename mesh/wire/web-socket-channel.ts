import type { Channel } from './channel.ts'
import type { Codec } from './codec.ts'
import { frameChannel } from './framed-channel.ts'

/** Where agents ask for their session. */
export const controlPath = '/v1/control'

/** RFC 6455 section 5.5: a control frame carries 125 bytes, two of them the code. */
const maxCloseReasonBytes = 123

/** As much of an open WebSocket (RFC 6455) as a channel needs; the package `ws` fits. */
export interface OpenWebSocket {
  readonly bufferedAmount: number
  send(frame: Buffer, options: { binary: boolean }): void
  close(code: number, reason: string): void
  on(event: 'message', listener: (data: unknown, isBinary: boolean) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'close', listener: (code: number, reason: Buffer) => void): unknown
}

/** A channel over an open WebSocket: one binary frame is one message, and a text frame ends it. */
export function webSocketChannel<In, Out>(socket: OpenWebSocket, codec: Codec<In, Out>): Channel<In, Out> {
  const { channel, received, gone } = frameChannel(
    {
      write: frame => socket.send(frame, { binary: true }),
      bufferedBytes: () => socket.bufferedAmount,
      end: reason => socket.close(1000, asciiOf(reason)),
    },
    codec,
  )
  socket.on('message', (data, isBinary) => {
    if (isBinary && Buffer.isBuffer(data)) received(data)
    else channel.close('WEFT_WIRE: a frame is not binary')
  })
  socket.on('error', error => gone(`the connection failed: ${error.message}`))
  socket.on('close', (code, reason) => gone(reason.length > 0 ? reason.toString() : `the connection closed (${code})`))
  return channel
}

/** One byte a character, so that cutting never splits one. */
function asciiOf(reason: string): string {
  return reason.replace(/[^ -~]/g, '?').slice(0, maxCloseReasonBytes)
}
