import { WebSocket } from 'ws'
import type { Channel } from '../../mesh/wire/channel.ts'
import { agentCodec } from '../../mesh/wire/codec.ts'
import { type AgentMessage, maxMessageBytes, type ServerMessage } from '../../mesh/wire/messages.ts'
import { controlPath, webSocketChannel } from '../../mesh/wire/web-socket-channel.ts'
import { type ConnectOptions, dialServer, unreachable, withDeadline } from './dial.ts'

const closeTimeoutMs = 1_000

/**
 * Opens the control channel over WebSocket. The signal covers connecting; after that the channel is closed through
 * itself. Throws WEFT_SERVER_UNREACHABLE and WEFT_SERVER_UNTRUSTED.
 */
export async function connectWs(
  options: ConnectOptions,
  signal: AbortSignal,
): Promise<Channel<ServerMessage, AgentMessage>> {
  const socket = await dialServer(options, 'http/1.1', signal)
  // Plain `ws:` because the connection it is given is already the verified TLS one.
  const settings = {
    createConnection: () => socket,
    perMessageDeflate: false,
    maxPayload: maxMessageBytes,
    closeTimeout: closeTimeoutMs,
    followRedirects: false,
  }
  const webSocket = new WebSocket(`ws://weft${controlPath}`, settings)
  // Before 'open' is awaited: a message may follow the handshake in the same packet.
  const channel = webSocketChannel<ServerMessage, AgentMessage>(webSocket, agentCodec)
  try {
    await withDeadline(options, signal, (done, fail) => {
      webSocket.once('open', done)
      webSocket.once('error', fail)
      webSocket.once('close', () => fail(new Error('the connection closed')))
    })
  } catch (error) {
    webSocket.terminate()
    socket.destroy()
    throw unreachable(options, error)
  }
  return channel
}
