import { createServer } from 'node:net'

// `node echo.ts ADDRESS PORT` sends back what it gets, byte by byte: a service that is not HTTP.

const [address = '', port = ''] = process.argv.slice(2)
createServer({ allowHalfOpen: true }, socket => {
  socket.on('error', () => {})
  socket.pipe(socket)
}).listen(Number(port), address, () => console.log('listening'))
