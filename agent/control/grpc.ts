import type { Socket } from 'node:net'
import {
  CallCredentials,
  ChannelCredentials,
  Client,
  type ClientDuplexStream,
  type experimental,
  Metadata,
  type StatusObject,
} from '@grpc/grpc-js'
import { systemClock } from '../../mesh/std/clock.ts'
import { MeshError } from '../../mesh/std/errors.ts'
import type { Channel } from '../../mesh/wire/channel.ts'
import { agentCodec } from '../../mesh/wire/codec.ts'
import { type AgentMessage, maxMessageBytes, type ServerMessage } from '../../mesh/wire/messages.ts'
import { sessionMethod, streamChannel } from '../../mesh/wire/stream-channel.ts'
import { type ConnectOptions, dialServer, unreachable, withDeadline } from './dial.ts'

const closeTimeoutMs = 1_000

/**
 * Opens the control channel over gRPC. The signal covers connecting; after that the channel is closed through itself.
 * Throws WEFT_SERVER_UNREACHABLE and WEFT_SERVER_UNTRUSTED.
 */
export async function connectGrpc(
  options: ConnectOptions,
  signal: AbortSignal,
): Promise<Channel<ServerMessage, AgentMessage>> {
  const attempt = new AbortController()
  const secure = new DiallingCredentials(socket => dialServer(options, 'h2', attempt.signal, socket))
  const client = new Client(target(options), secure, {
    'grpc.max_receive_message_length': maxMessageBytes,
    'grpc.max_send_message_length': maxMessageBytes,
    'grpc-node.flow_control_window': 1024 * 1024,
    // A connection of its own: sharing one would share its identity with whoever else runs in this process.
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_http_proxy': 0,
    'grpc.service_config_disable_resolution': 1,
    'grpc.enable_retries': 0,
    'grpc.enable_channelz': 0,
  })
  const { path, requestSerialize, responseDeserialize } = sessionMethod
  const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, new Metadata())
  // Before the answer is awaited: a message may follow it in the same packet.
  const channel = channelOf(call, client, options)
  try {
    await withDeadline(options, signal, (done, fail) => {
      call.once('metadata', done)
      call.once('error', fail)
      call.once('status', (status: StatusObject) => fail(new Error(status.details)))
    })
  } catch (error) {
    attempt.abort()
    call.cancel()
    client.close()
    throw secure.problem ?? unreachable(options, error)
  }
  return channel
}

/**
 * Credentials that leave the TLS handshake to our own dialling: the library's gives up on a server without closing the
 * socket and hides why the server was refused. The methods with an underscore are what its credentials consist of; the
 * version of the package is pinned, and the compliance suite runs over them.
 */
class DiallingCredentials extends ChannelCredentials {
  readonly #dial: (socket: Socket) => Promise<Socket>
  /** Why the last handshake failed. */
  problem: MeshError | undefined

  constructor(dial: (socket: Socket) => Promise<Socket>) {
    super()
    this.#dial = dial
  }

  override _isSecure(): boolean {
    return true
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other
  }

  override _createSecureConnector(): experimental.SecureConnector {
    return {
      connect: async tcp => {
        try {
          return { socket: await this.#dial(tcp), secure: true }
        } catch (error) {
          if (error instanceof MeshError) this.problem = error
          throw error
        }
      },
      waitForReady: async () => {},
      getCallCredentials: () => CallCredentials.createEmpty(),
      destroy: () => {},
    }
  }
}

function channelOf(
  call: ClientDuplexStream<Buffer, Buffer>,
  client: Client,
  options: ConnectOptions,
): Channel<ServerMessage, AgentMessage> {
  const { clock = systemClock } = options
  const { channel, gone } = streamChannel<ServerMessage, AgentMessage>(call, agentCodec, () => {
    // In order first: what was sent before, such as a last refusal, still goes out.
    call.end()
    const timer = clock.timer(closeTimeoutMs, () => call.cancel())
    call.once('status', () => timer.cancel())
  })
  call.on('error', error => gone(`the connection failed: ${error.message}`))
  call.on('status', (status: StatusObject) => {
    gone(status.details === '' ? 'the server ended the session' : status.details)
    client.close()
  })
  return channel
}

function target({ host, port }: ConnectOptions): string {
  return host.includes(':') ? `ipv6:[${host}]:${port}` : `dns:${host}:${port}`
}
