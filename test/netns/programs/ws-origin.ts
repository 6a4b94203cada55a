import { WebSocketServer } from 'ws'

// `node ws-origin.ts PORT` sends every WebSocket message back. It says what becomes of its connections; a line on
// standard input, `4000 text`, closes all of them with that.

const server = new WebSocketServer({ port: Number(process.argv[2]), host: '0.0.0.0', handleProtocols: () => 'echo' })
server.on('connection', (socket, request) => {
  console.log(
    `connected ${request.url} ${request.headers['x-forwarded-client-cert'] === undefined ? 'by nobody' : 'by someone'}`,
  )
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  socket.on('ping', () => console.log('pinged'))
  socket.on('pong', () => console.log('ponged'))
  socket.on('error', error => console.log(`error ${error.message}`))
  socket.on('close', (code, reason) => console.log(`closed ${code} ${reason}`))
  socket.ping()
})
server.on('listening', () => console.log('listening'))
process.stdin.on('data', text => {
  const [, code, reason] = /^(\d+) (.*)/.exec(String(text)) ?? []
  for (const socket of server.clients) socket.close(Number(code), reason)
})
