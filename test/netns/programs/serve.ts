import { createHash } from 'node:crypto'
import { createServer as createHttpServer } from 'node:http'
import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2'
import { createServer, type Server } from 'node:net'
import { testBytes } from './test-bytes.ts'

// `node serve.ts NAME ADDRESS KIND=PORT...` serves every kind on its port; it knows nothing of any mesh.

const [name = '', address = '', ...wanted] = process.argv.slice(2)

const kinds: Readonly<Record<string, () => Server>> = {
  /** `/bytes/N` gives N bytes; a body is answered by its length and hash; anything else by the name. */
  http: () =>
    createHttpServer((request, response) => {
      const [, size] = /^\/bytes\/(\d+)$/.exec(request.url ?? '') ?? []
      if (size !== undefined) return void response.end(testBytes(Number(size)))
      const hash = createHash('sha256')
      let length = 0
      request.on('data', (chunk: Buffer) => {
        hash.update(chunk)
        length += chunk.length
      })
      request.on('end', () => response.end(length === 0 ? `${name}\n` : `${length} ${hash.digest('hex')}\n`))
    }),
  /** Sends back every byte, and ends when the caller has ended. */
  echo: () => createServer({ allowHalfOpen: true }, socket => void socket.on('error', () => {}).pipe(socket)),
  /** Answers only after the caller's end: how many bytes there were, and their hash. */
  sum: () =>
    createServer({ allowHalfOpen: true }, socket => {
      const hash = createHash('sha256')
      let length = 0
      socket.on('error', () => {})
      socket.on('data', (chunk: Buffer) => {
        hash.update(chunk)
        length += chunk.length
      })
      socket.on('end', () => socket.end(`${length} ${hash.digest('hex')}`))
    }),
  /** Speaks first, as SMTP and SSH do, then sends back lines. */
  banner: () =>
    createServer({ allowHalfOpen: true }, socket => {
      socket.on('error', () => {})
      socket.write(`220 ${name} is ready\n`)
      socket.pipe(socket)
    }),
  /** Ends its own direction at once and prints what still comes in the other. */
  deaf: () =>
    createServer({ allowHalfOpen: true }, socket => {
      socket.on('error', () => {})
      socket.end('no more from here')
      let heard = ''
      socket.on('data', (chunk: Buffer) => {
        heard += chunk
      })
      socket.on('end', () => console.log(`heard ${heard}`))
    }),
  /** HTTP/2 in the clear: sends the body back with the path in a header. */
  h2c: () => {
    const server = createHttp2Server()
    server.on('stream', (stream: ServerHttp2Stream, headers) => {
      stream.on('error', () => {})
      stream.respond({ ':status': 200, 'x-path': headers[':path'] ?? '' })
      stream.pipe(stream)
    })
    return server
  },
}

for (const one of wanted) {
  const [kind = '', port] = one.split('=')
  const make = kinds[kind]
  if (make === undefined) throw new Error(`there is no kind ${kind}`)
  await new Promise<void>(resolve => make().listen(Number(port), address, resolve))
}
console.log('listening')
