import { agentCodec, type Codec, serverCodec } from '../../mesh/wire/codec.ts'
import { type FramedChannel, frameChannel } from '../../mesh/wire/framed-channel.ts'
import type { AgentMessage, ServerMessage } from '../../mesh/wire/messages.ts'

/** Two ends of a channel in memory: real bytes, delivered in order and never within the call that sends them. */
export function channelPair() {
  const agent = end<ServerMessage, AgentMessage>(agentCodec, () => server)
  const server: FramedChannel<AgentMessage, ServerMessage> = end<AgentMessage, ServerMessage>(serverCodec, () => agent)
  return { agent: agent.channel, server: server.channel }
}

interface Peer {
  received(frame: Buffer): void
  gone(reason: string): void
}

function end<In, Out>(codec: Codec<In, Out>, peer: () => Peer): FramedChannel<In, Out> {
  let buffered = 0
  return frameChannel<In, Out>(
    {
      write(frame) {
        buffered += frame.length
        setImmediate(() => {
          buffered -= frame.length
          peer().received(frame)
        })
      },
      bufferedBytes: () => buffered,
      end: reason => void setImmediate(() => peer().gone(reason)),
    },
    codec,
  )
}
