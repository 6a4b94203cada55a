import type { TLSSocket } from 'node:tls'
import { Metadata, Server, ServerCredentials, type ServerDuplexStream, status } from '@grpc/grpc-js'
import { systemClock } from '../../mesh/std/clock.ts'
import { describeError, MeshError } from '../../mesh/std/errors.ts'
import type { Running } from '../../mesh/std/lifecycle.ts'
import type { Channel } from '../../mesh/wire/channel.ts'
import { serverCodec } from '../../mesh/wire/codec.ts'
import { type AgentMessage, maxMessageBytes, type ServerMessage } from '../../mesh/wire/messages.ts'
import { sessionMethod, streamChannel } from '../../mesh/wire/stream-channel.ts'
import { type AgentConnection, agentOf, type ListenOptions, listenForAgents, type OnAgent } from './listen.ts'

/** How long the other side may take to end its half before the connection is cut. */
const closeTimeoutMs = 1_000

type Call = ServerDuplexStream<Buffer, Buffer>

/**
 * Serves agents over gRPC: the method `Session` of control.proto. The TLS handshake is not left to the library but done
 * by our own listener, which lets in nothing but TLS 1.3 and agents. Throws WEFT_LISTEN.
 */
export async function serveGrpc(options: ListenOptions, onAgent: OnAgent): Promise<Running> {
  const { log, clock = systemClock } = options
  const connections = new Map<string, AgentConnection>()
  const channels = new Set<Channel<AgentMessage, ServerMessage>>()
  const server = new Server({
    'grpc.max_receive_message_length': maxMessageBytes,
    'grpc.max_send_message_length': maxMessageBytes,
    // One session a connection: an agent that wants another one connects again.
    'grpc.max_concurrent_streams': 1,
    'grpc-node.flow_control_window': 1024 * 1024,
    'grpc.enable_channelz': 0,
  })
  server.addService({ Session: { ...sessionMethod, originalName: 'session' } }, { Session: serve })
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure())

  function serve(call: Call): void {
    try {
      const leaf = call.getAuthContext().sslPeerCertificate?.raw
      const connection = connections.get(call.getPeer())
      if (leaf === undefined || connection === undefined) throw new MeshError('WEFT_WIRE', 'call without a connection')
      const { node, certificate } = agentOf(leaf, options.trustDomain, connection.certificate.remoteAddress)
      connection.established()
      call.sendMetadata(new Metadata())
      onAgent(channelOf(call, connection.socket), node, certificate)
    } catch (error) {
      log.warn('gRPC call refused', { peer: call.getPeer(), error: describeError(error) })
      call.emit('error', { code: status.UNAUTHENTICATED, details: 'not an agent of this mesh' })
    }
  }

  function channelOf(call: Call, socket: TLSSocket): Channel<AgentMessage, ServerMessage> {
    const cut = () => clock.timer(closeTimeoutMs, () => socket.destroy())
    const { channel, gone } = streamChannel(call, serverCodec, reason => {
      // The library sends what is buffered first, then the status with the reason.
      call.emit('error', { code: status.ABORTED, details: reason })
      const timer = cut()
      socket.once('close', () => timer.cancel())
    })
    channels.add(channel)
    channel.onClose(() => channels.delete(channel))
    call.on('end', () => channel.close('the agent ended the session'))
    call.on('cancelled', () => gone('the agent cancelled the session'))
    call.on('error', (error: Partial<Error>) => gone(`the connection failed: ${error.message ?? 'stream error'}`))
    socket.once('close', () => gone('the connection closed'))
    return channel
  }

  const listener = await listenForAgents(options, 'h2', connection => {
    const { socket } = connection
    const peer = peerOf(socket)
    connections.set(peer, connection)
    socket.once('close', () => {
      if (connections.get(peer) === connection) connections.delete(peer)
    })
    injector.injectConnection(socket)
  })
  return {
    addresses: listener.addresses,
    async stop() {
      for (const channel of channels) channel.close('the server is stopping')
      await listener.stop()
      server.forceShutdown()
    },
  }
}

/** A connection as `getPeer` of a call names it. */
function peerOf(socket: TLSSocket): string {
  return `${socket.remoteAddress}:${socket.remotePort}`
}
