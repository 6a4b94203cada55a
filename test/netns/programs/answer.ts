import { createServer } from 'node:net'

// `node answer.ts PORT TEXT` answers every connection to the port, on all addresses of both families, with the text.

const [port, text = ''] = process.argv.slice(2)
createServer(socket => {
  socket.on('error', () => {})
  socket.end(text)
}).listen(Number(port), '::', () => console.log('listening'))
