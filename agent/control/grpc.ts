import { createSecureContext } from 'node:tls'
import { Client, type ClientDuplexStream, credentials, Metadata, type StatusObject } from '@grpc/grpc-js'
import { systemClock } from '../../mesh/std/clock.ts'
import type { MeshError } from '../../mesh/std/errors.ts'
import type { Channel } from '../../mesh/wire/channel.ts'
import { agentCodec } from '../../mesh/wire/codec.ts'
import { type AgentMessage, maxMessageBytes, type ServerMessage } from '../../mesh/wire/messages.ts'
import { sessionMethod, streamChannel } from '../../mesh/wire/stream-channel.ts'
import { type ConnectOptions, clientContext, serverProblem, unreachable, untrusted, withDeadline } from './dial.ts'

const closeTimeoutMs = 1_000
/** OpenSSL's words for a chain that does not end in a root of ours; the library passes on nothing else. */
const unverified =
  /self.signed certificate|unable to (get|verify)|certificate (has expired|is not yet valid|chain)|unsupported certificate purpose|invalid CA/i

/**
 * Opens the control channel over gRPC. The signal covers connecting; after that the channel is closed through itself.
 * Throws WEFT_SERVER_UNREACHABLE and WEFT_SERVER_UNTRUSTED.
 */
export async function connectGrpc(
  options: ConnectOptions,
  signal: AbortSignal,
): Promise<Channel<ServerMessage, AgentMessage>> {
  let problem: MeshError | undefined
  const secure = credentials.createFromSecureContext(secureContext(options), {
    checkServerIdentity: (_, certificate) => {
      problem = serverProblem(certificate, options)
      return problem
    },
  })
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
    call.cancel()
    client.close()
    if (problem !== undefined) throw problem
    if (error instanceof Error && unverified.test(error.message)) {
      throw untrusted(options, 'certificate of the server is not signed by a trusted root', {}, error)
    }
    throw unreachable(options, error)
  }
  return channel
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

function secureContext(options: ConnectOptions) {
  try {
    return createSecureContext(clientContext(options))
  } catch (cause) {
    throw unreachable(options, cause)
  }
}

function target({ host, port }: ConnectOptions): string {
  return host.includes(':') ? `ipv6:[${host}]:${port}` : `dns:${host}:${port}`
}
