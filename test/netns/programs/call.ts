import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { credentials } from '@grpc/grpc-js'
import { EchoClient } from './grpc-service.ts'
import { testBytes } from './test-bytes.ts'

// `node call.ts KIND HOST PORT TEXT` makes one connection and prints what came of it, or the error's code.

/** What the other side says until it ends. */
function heardOn(socket: Socket): Promise<string> {
  // not by iterating: that would close the socket at the other side's end
  return new Promise((resolve, reject) => {
    let heard = ''
    socket.on('data', (chunk: Buffer) => {
      heard += chunk
    })
    socket.once('end', () => resolve(heard))
    socket.once('error', reject)
  })
}

const kinds: Readonly<Record<string, (host: string, port: number, said: string) => Promise<string>>> = {
  /** Sends, ends its own direction, and reads to the end. */
  async tcp(host, port, said) {
    const socket = connect({ host, port, allowHalfOpen: true })
    socket.end(said)
    return heardOn(socket)
  },
  /** Sends, and reads to the other side's end without ending its own direction. */
  async raw(host, port, said) {
    const socket = connect({ host, port, allowHalfOpen: true })
    socket.write(said)
    try {
      return await heardOn(socket)
    } finally {
      socket.destroy()
    }
  },
  /** Sends so many bytes, then ends. */
  async upload(host, port, said) {
    const socket = connect({ host, port, allowHalfOpen: true })
    socket.end(testBytes(Number(said)))
    return heardOn(socket)
  },
  /** Says nothing before it has heard something. */
  async listen(host, port, said) {
    const socket = connect({ host, port, allowHalfOpen: true })
    const [first] = await once(socket, 'data')
    socket.end(said)
    return `${first}${await heardOn(socket)}`
  },
  /** Reads to the other side's end, and only then sends. */
  async late(host, port, said) {
    const socket = connect({ host, port, allowHalfOpen: true })
    const heard = await heardOn(socket)
    socket.end(said)
    await once(socket, 'close')
    return heard
  },
  /** Three requests at once on one HTTP/2 connection. */
  async h2c(host, port, said) {
    const session = connectHttp2(`http://${host}:${port}`)
    const ask = async (path: string) => {
      const stream = session.request({ ':path': path, ':method': 'POST' })
      stream.end(said)
      const [headers] = await once(stream, 'response')
      return `${headers['x-path']} ${await text(stream)}`
    }
    try {
      await once(session, 'connect')
      return (await Promise.all(['/1', '/2', '/3'].map(ask))).join(', ')
    } finally {
      session.destroy()
    }
  },
  /** One unary call, then a conversation of three messages. */
  async grpc(host, port, said) {
    const client = new EchoClient(`${host}:${port}`, credentials.createInsecure(), { 'grpc.enable_http_proxy': 0 })
    try {
      const unary = await new Promise<Buffer>((resolve, reject) => {
        client.unary?.(Buffer.from(said), (error: Error | null, answer: Buffer) => {
          if (error === null) resolve(answer)
          else reject(error)
        })
      })
      const chat = client.chat?.()
      const heard: string[] = []
      for (const word of ['one', 'two', 'three']) {
        chat.write(Buffer.from(word))
        const [answer] = await once(chat, 'data')
        heard.push(String(answer))
      }
      chat.end()
      chat.resume()
      await once(chat, 'end')
      return `${unary}: ${heard.join(' ')}`
    } finally {
      client.close()
    }
  },
}

const [kind = '', host = '', port, said = ''] = process.argv.slice(2)
const call = kinds[kind]
if (call === undefined) throw new Error(`there is no kind ${kind}`)
const timeout = setTimeout(() => {
  console.log('SILENCE')
  process.exit()
}, 10_000)
try {
  console.log(await call(host, Number(port), said))
} catch (error) {
  console.log(error instanceof Error && 'code' in error ? String(error.code) : String(error))
}
clearTimeout(timeout)
