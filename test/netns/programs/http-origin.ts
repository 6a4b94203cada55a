import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createHttp2Server, type Http2ServerResponse } from 'node:http2'
import { createInterface } from 'node:readline'
import { testBytes } from './test-bytes.ts'

// `node http-origin.ts PORT...` serves the same paths on every port, `2:PORT` by HTTP/2 in the clear; it knows nothing of
// any mesh. It says on standard output what becomes of its exchanges; the line `go` lets go whoever it keeps waiting.

type Request = IncomingMessage
type Response = ServerResponse

const block = testBytes(256 * 1024)
let release = () => {}
const released = () =>
  new Promise<void>(resolve => {
    release = resolve
  })

/** Length and hash of the request's body. */
function summed(request: Request): Promise<string> {
  return new Promise(resolve => {
    const hash = createHash('sha256')
    let length = 0
    request.on('data', (chunk: Buffer) => {
      hash.update(chunk)
      length += chunk.length
    })
    request.on('end', () => resolve(`${length} ${hash.digest('hex')}`))
  })
}

/** Writes so many bytes, never faster than they are taken, and says how many went out when it is broken off. */
function write(response: Response, total: number, then: () => void): void {
  let left = total
  const more = () => {
    while (left > 0) {
      const size = Math.min(left, block.length)
      left -= size
      if (!response.write(size === block.length ? block : block.subarray(0, size))) {
        response.once('drain', more)
        if (left > 0) return
      }
    }
    then()
  }
  response.once('close', () => {
    if (left > 0) console.log(`broken off after ${total - left}`)
  })
  more()
}

const destroy = (response: Response | Http2ServerResponse) =>
  void ('stream' in response ? response.stream.close(2) : response.destroy())

const paths: Readonly<Record<string, (request: Request, response: Response, size: number) => void | Promise<void>>> = {
  /** What the request said. */
  async facts(request, response) {
    const { method, url, rawHeaders } = request
    const sum = await summed(request)
    const fields = rawHeaders.flatMap((name, at) => (at % 2 === 0 ? [[name, rawHeaders[at + 1]]] : []))
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ method, url, sum, fields, trailers: request.trailers }))
  },
  async sum(request, response) {
    const said = await summed(request)
    response.setHeader('content-length', said.length)
    response.end(said)
  },
  echo(request, response) {
    request.pipe(response)
  },
  bytes(_request, response, size) {
    response.setHeader('content-length', size)
    write(response, size, () => response.end())
  },
  chunked(_request, response, size) {
    write(response, size, () => response.end())
  },
  trailers(_request, response) {
    response.setHeader('trailer', 'x-sum')
    response.write('body')
    response.addTrailers({ 'x-sum': 'of the body' })
    response.end()
  },
  close(_request, response) {
    response.setHeader('connection', 'close')
    response.end('the last one')
  },
  big(_request, response, size) {
    response.setHeader('x-big', 'b'.repeat(size))
    response.end('big')
  },
  /** A length that the body does not have. */
  short(_request, response, size) {
    response.setHeader('content-length', size * 2)
    write(response, size, () => setImmediate(destroy, response))
  },
  broken(_request, response, size) {
    write(response, size, () => setImmediate(destroy, response))
  },
  /** Reads all of the request and says nothing. */
  async silent(request, response) {
    await summed(request)
    console.log('heard')
    destroy(response)
  },
  /** Reads nothing of the body until it is told to. */
  async late(request, response) {
    console.log('waits')
    await released()
    const said = await summed(request)
    response.end(said)
  },
  /** Answers before it has seen the body. */
  early(_request, response) {
    response.statusCode = 413
    response.setHeader('content-length', 0)
    response.setHeader('connection', 'close')
    response.end()
  },
}

let exchanges = 0
function handle(request: Request, response: Response): void {
  exchanges += 1
  const number = exchanges
  console.log(`began ${number} ${request.method} ${request.url} on ${request.socket.remotePort}`)
  request.on('error', () => {})
  response.on('error', () => {})
  request.once('aborted', () => console.log(`aborted ${number} ${request.url}`))
  response.once('close', () => console.log(`over ${number} ${response.writableFinished}`))
  const [, path = '', size] = /^(?:https?:\/\/[^/]+)?\/([a-z]*)\/?(\d*)/.exec(request.url ?? '') ?? []
  void (paths[path] ?? paths.facts)?.(request, response, Number(size))
}

for (const one of process.argv.slice(2)) {
  const [, version, port] = /^(2:)?(\d+)$/.exec(one) ?? []
  const server =
    version === undefined ? createServer({ maxHeaderSize: 128 * 1024, requestTimeout: 0 }) : createHttp2Server()
  // whoever waits to be told to go on is told so, unless the answer is there without that
  server.on('request', handle)
  server.on('checkContinue', (request: Request, response: Response) => {
    if (request.url !== '/early') response.writeContinue()
    handle(request, response)
  })
  await new Promise<void>(resolve => server.listen(Number(port), '0.0.0.0', resolve))
}
createInterface(process.stdin).on('line', () => release())
console.log('listening')
