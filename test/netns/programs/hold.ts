import { connect } from 'node:net'

// `node hold.ts HOST PORT` keeps one connection open: each line of standard input is sent, and every answer is printed
// as `heard <text>`; at the end of standard input it ends its direction. Prints `ended`, or `error <code>`.

const [host = '', port = ''] = process.argv.slice(2)
const socket = connect({ host, port: Number(port) })
socket.setEncoding('utf8')
socket.on('connect', () => console.log('connected'))
socket.on('data', (text: string) => console.log(`heard ${text.trimEnd()}`))
socket.on('end', () => console.log('ended'))
socket.on('error', (error: NodeJS.ErrnoException) => console.log(`error ${error.code}`))
process.stdin.on('data', chunk => socket.write(chunk))
process.stdin.on('end', () => socket.end())
