import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { WebSocket } from 'ws'
import { testBytes } from './test-bytes.ts'

// `node ws-client.ts URL` opens a WebSocket and does what it reads on standard input: `text WORDS`, `binary BYTES`,
// `ping`, `close CODE REASON`. It says what it hears.

const socket = new WebSocket(process.argv[2] ?? '', ['chat', 'echo'])
socket.on('message', (data: Buffer, isBinary) => {
  if (isBinary) console.log(`binary ${data.length} ${data.equals(testBytes(data.length))}`)
  else console.log(`text ${data.length > 100 ? data.length : data}`)
})
socket.on('pong', data => console.log(`pong ${data}`))
socket.on('ping', () => console.log('pinged'))
socket.on('error', error => console.log(`error ${error.message}`))
socket.on('unexpected-response', (_request, response) => console.log(`status ${response.statusCode}`))
socket.on('close', (code, reason) => {
  console.log(`closed ${code} ${reason}`)
  process.stdin.destroy()
})
createInterface(process.stdin).on('line', line => {
  const [what, word = '', ...rest] = line.split(' ')
  if (what === 'text') socket.send(word.startsWith('*') ? 'ü'.repeat(Number(word.slice(1))) : [word, ...rest].join(' '))
  else if (what === 'binary') socket.send(testBytes(Number(word)))
  else if (what === 'ping') socket.ping(word)
  else if (what === 'terminate') socket.terminate()
  else socket.close(Number(word), rest.join(' '))
})
await once(socket, 'open')
console.log(`open ${socket.protocol}`)
