import { type handleBidiStreamingCall, type handleUnaryCall, Server, ServerCredentials } from '@grpc/grpc-js'
import { echoService } from './grpc-service.ts'

// `node grpc-serve.ts ADDRESS PORT` serves the echo service without TLS of its own.

const [address = '', port = ''] = process.argv.slice(2)
const unary: handleUnaryCall<Buffer, Buffer> = (call, answer) => answer(null, call.request)
const chat: handleBidiStreamingCall<Buffer, Buffer> = call => {
  call.on('data', (message: Buffer) => call.write(message))
  call.on('end', () => call.end())
}
const server = new Server()
server.addService(echoService, { unary, chat })
server.bindAsync(`${address}:${port}`, ServerCredentials.createInsecure(), error => {
  if (error !== null) throw error
  console.log('listening')
})
