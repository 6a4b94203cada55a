import {
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  Server,
  ServerCredentials,
  status,
} from '@grpc/grpc-js'
import { callsService } from './grpc-calls.ts'

// `node grpc-origin.ts ADDRESS PORT` serves `test.Calls` without TLS of its own and says what becomes of its calls.

const [address = '', port = ''] = process.argv.slice(2)
const server = new Server({ 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 })

const unary: handleUnaryCall<Buffer, Buffer> = (call, answer) => {
  const header = new Metadata()
  header.set('x-said', call.metadata.get('x-said')[0] ?? 'nothing')
  header.set('x-said-bin', call.metadata.get('x-said-bin')[0] ?? Buffer.alloc(0))
  call.sendMetadata(header)
  const trailer = new Metadata()
  trailer.set('x-last', 'words')
  answer(null, call.request, trailer)
}
const fail: handleUnaryCall<Buffer, Buffer> = (call, answer) => {
  const metadata = new Metadata()
  metadata.set('x-why', 'because')
  answer({ code: Number(call.request), details: 'it fails – always', metadata })
}
const collect: handleClientStreamingCall<Buffer, Buffer> = (call, answer) => {
  let count = 0
  let bytes = 0
  call.on('data', (message: Buffer) => {
    count += 1
    bytes += message.length
  })
  call.on('end', () => answer(null, Buffer.from(`${count} ${bytes}`)))
}
const spread: handleServerStreamingCall<Buffer, Buffer> = call => {
  for (let at = 0; at < Number(call.request); at += 1) call.write(Buffer.from(String(at)))
  call.end()
}
const chat: handleBidiStreamingCall<Buffer, Buffer> = call => {
  call.on('data', (message: Buffer) => call.write(message))
  call.on('end', () => call.end())
}
/** Never answers. */
const wait: handleUnaryCall<Buffer, Buffer> = call => {
  console.log(`waits ${call.getDeadline() === Number.POSITIVE_INFINITY ? 'for ever' : 'until a deadline'}`)
  call.on('cancelled', () => console.log('cancelled'))
}
/** Fails after its first message. */
const half: handleServerStreamingCall<Buffer, Buffer> = call => {
  call.write(Buffer.from('one'))
  call.emit('error', { code: status.DATA_LOSS, details: 'no more' })
}
server.addService(callsService, { unary, fail, collect, spread, chat, wait, half })
server.bindAsync(`${address}:${port}`, ServerCredentials.createInsecure(), error => {
  if (error !== null) throw error
  console.log('listening')
})
