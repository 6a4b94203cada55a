import { createServer, type IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import type { Running } from '../../mesh/std/lifecycle.ts'
import type { Channel } from '../../mesh/wire/channel.ts'
import { serverCodec } from '../../mesh/wire/codec.ts'
import { type AgentMessage, maxMessageBytes, type ServerMessage } from '../../mesh/wire/messages.ts'
import { controlPath, webSocketChannel } from '../../mesh/wire/web-socket-channel.ts'
import { type AgentConnection, type ListenOptions, listenForAgents, type OnAgent } from './listen.ts'

const limits = { maxHeaderSize: 8 * 1024, headersTimeout: 5_000, requestTimeout: 5_000, keepAliveTimeout: 5_000 }
/** How long the other side may take to answer a close before it is cut off. */
const closeTimeoutMs = 1_000

/**
 * Serves agents over WebSocket (RFC 6455) at `/v1/control`. Uncompressed, because compression next to secrets leaks them
 * and expands hostile input; never for browsers, so whatever sends an Origin is refused. Throws WEFT_LISTEN.
 */
export async function serveWs(options: ListenOptions, onAgent: OnAgent): Promise<Running> {
  const connections = new WeakMap<Duplex, AgentConnection>()
  const channels = new Set<Channel<AgentMessage, ServerMessage>>()
  const http = createServer(limits, (_, response) => {
    response.writeHead(426, { connection: 'close', upgrade: 'websocket' }).end()
  })
  const settings = {
    noServer: true,
    perMessageDeflate: false,
    maxPayload: maxMessageBytes,
    closeTimeout: closeTimeoutMs,
  }
  const handshake = new WebSocketServer(settings)
  http.on('upgrade', (request, socket, head) => {
    const connection = connections.get(socket)
    const status = refusal(request)
    if (connection === undefined || status !== undefined) {
      socket.end(`HTTP/1.1 ${status ?? '403 Forbidden'}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
      return
    }
    handshake.handleUpgrade(request, socket, head, webSocket => {
      connection.established()
      const channel = webSocketChannel(webSocket, serverCodec)
      channels.add(channel)
      channel.onClose(() => channels.delete(channel))
      onAgent(channel, connection.node, connection.certificate)
    })
  })
  const listener = await listenForAgents(options, 'http/1.1', connection => {
    connections.set(connection.socket, connection)
    http.emit('connection', connection.socket)
  })
  return {
    addresses: listener.addresses,
    async stop() {
      for (const channel of channels) channel.close('the server is stopping')
      await listener.stop()
    },
  }
}

function refusal(request: IncomingMessage): string | undefined {
  if (request.headers.origin !== undefined) return '403 Forbidden'
  return request.url === controlPath ? undefined : '404 Not Found'
}
