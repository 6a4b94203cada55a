import { createSecureContext } from 'node:tls'
import { Client, credentials, Metadata, status } from '@grpc/grpc-js'
import t from 'tap'
import type { ConnectOptions } from '../../agent/control/dial.ts'
import { connectGrpc } from '../../agent/control/grpc.ts'
import { serveGrpc } from '../../server/push/grpc.ts'
import { channelCompliance } from '../compliance/channel.ts'
import { channelHostile, type RawSession } from '../compliance/channel-hostile.ts'
import { channelTrust } from '../compliance/channel-trust.ts'
import { startTransport, type Transport } from '../support/channel-transport.ts'

const transport: Transport = { alpn: 'h2', connect: connectGrpc, serve: serveGrpc }
const same = (frame: Buffer) => frame

t.test('the sessions over gRPC', async t => {
  channelCompliance(t, async t => (await startTransport(t, transport)).connect())
})

t.test('who may speak over gRPC', async t => {
  channelTrust(t, transport)
})

t.test('hostile bytes over gRPC', async t => {
  channelHostile(t, transport, openRaw)
})

t.test('another gRPC method is not there', async t => {
  const world = await startTransport(t, transport)
  const client = plainClient(world.options())
  t.teardown(() => client.close())
  const call = client.makeBidiStreamRequest('/weft.control.v1.Control/Other', same, same, new Metadata())
  const error = await new Promise<{ code?: number }>(resolve => call.once('error', resolve))
  t.equal(error.code, status.UNIMPLEMENTED)
  t.equal(world.accepted.length, 0)
})

/** Any gRPC client can speak the channel: this one has only the public parts of the library. */
function plainClient({ port, roots, key, chain }: ConnectOptions): Client {
  const context = createSecureContext({ ca: [...roots], key, cert: chain })
  const secure = credentials.createFromSecureContext(context, { checkServerIdentity: () => undefined })
  return new Client(`127.0.0.1:${port}`, secure, {
    'grpc.ssl_target_name_override': 'weft.invalid',
    'grpc.use_local_subchannel_pool': 1,
    'grpc.max_send_message_length': -1,
  })
}

async function openRaw(options: ConnectOptions): Promise<RawSession> {
  const client = plainClient(options)
  const call = client.makeBidiStreamRequest('/weft.control.v1.Control/Session', same, same, new Metadata())
  const closed = new Promise(resolve => call.once('status', resolve))
  call.on('error', () => {})
  call.on('data', () => {})
  await new Promise(resolve => call.once('metadata', resolve))
  return {
    send: frame => call.write(frame),
    pause: () => call.pause(),
    closed,
    destroy() {
      call.cancel()
      client.close()
    },
  }
}
