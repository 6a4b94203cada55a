import type { Channel } from './channel.ts'
import type { Codec } from './codec.ts'
import { type FramedChannel, frameChannel } from './framed-channel.ts'

/** The gRPC method that carries the channel, its messages as they are: the codec is ours on every transport. */
export const sessionMethod = {
  path: '/weft.control.v1.Control/Session',
  requestStream: true,
  responseStream: true,
  requestSerialize: (frame: Buffer) => frame,
  requestDeserialize: (frame: Buffer) => frame,
  responseSerialize: (frame: Buffer) => frame,
  responseDeserialize: (frame: Buffer) => frame,
} as const

/** As much of a stream of whole frames as a channel needs; both ends of a gRPC call fit. */
export interface FrameStream {
  write(frame: Buffer, done: () => void): unknown
  on(event: 'data', listener: (frame: Buffer) => void): unknown
  on(event: 'end', listener: () => void): unknown
}

/**
 * A channel over a stream of frames. `end` ends the stream in order, with a reason where the transport can carry one.
 * What the transport itself reports about its end goes to `gone`.
 */
export function streamChannel<In, Out>(
  stream: FrameStream,
  codec: Codec<In, Out>,
  end: (reason: string) => void,
): Pick<FramedChannel<In, Out>, 'channel' | 'gone'> {
  let buffered = 0
  const write = (frame: Buffer) => {
    buffered += frame.length
    stream.write(frame, () => {
      buffered -= frame.length
    })
  }
  const framed: FramedChannel<In, Out> = frameChannel<In, Out>({ write, bufferedBytes: () => buffered, end }, codec)
  stream.on('data', framed.received)
  return framed satisfies { channel: Channel<In, Out> }
}
