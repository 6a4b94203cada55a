import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { MeshError } from '../../mesh/std/errors.ts'

/** An answer; text is sent as it is, anything else as JSON. */
export interface Answer {
  readonly status: number
  readonly body: unknown
  readonly contentType?: string
}

/** Reads the body of a request as JSON; throws WEFT_USAGE when it is none, or longer than 64 KiB. */
export type ReadBody = () => Promise<unknown>

/** By method and path: `GET /status`. */
export type Routes = Readonly<Record<string, (body: ReadBody) => Answer | Promise<Answer>>>

const maxConnections = 64
const maxBodyBytes = 64 * 1024

/**
 * A small HTTP server for fixed paths. A request's body is read only by a handler that wants it; unknown paths are 404 with the known ones, other
 * methods 405, and a handler that throws is a 500 without its text.
 */
export function createHttpServer(routes: Routes): Server {
  const timeouts = { headersTimeout: 10_000, requestTimeout: 10_000, keepAliveTimeout: 5_000 }
  const server = createServer({ ...timeouts, maxHeaderSize: 16 * 1024 })
  server.maxConnections = maxConnections
  server.on('request', (request, response) => {
    void answer(routes, request, response)
  })
  return server
}

async function answer(routes: Routes, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = (request.url ?? '').split('?', 1)[0] ?? ''
  const method = request.method === 'HEAD' ? 'GET' : (request.method ?? '')
  const route = Object.hasOwn(routes, `${method} ${path}`) ? routes[`${method} ${path}`] : undefined
  let result: Answer
  try {
    result = route === undefined ? unknownRoute(routes, path) : await route(() => readJson(request))
  } catch {
    result = { status: 500, body: { error: 'the agent could not answer this' } }
  }
  request.resume()
  const isText = typeof result.body === 'string'
  const body = isText ? String(result.body) : `${JSON.stringify(result.body, null, 2)}\n`
  response.writeHead(result.status, {
    'content-type': result.contentType ?? (isText ? 'text/plain; charset=utf-8' : 'application/json'),
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of request) {
    size += part.length
    if (size > maxBodyBytes) throw new MeshError('WEFT_USAGE', 'the request is longer than 64 KiB')
    parts.push(part)
  }
  try {
    return JSON.parse(Buffer.concat(parts).toString())
  } catch (cause) {
    throw new MeshError('WEFT_USAGE', 'the request is not JSON', { cause })
  }
}

function unknownRoute(routes: Routes, path: string): Answer {
  const known = Object.keys(routes)
  const otherMethod = known.some(route => route.endsWith(` ${path}`))
  return { status: otherMethod ? 405 : 404, body: { error: otherMethod ? 'other method' : 'unknown path', known } }
}

/** Listens on TCP; throws WEFT_LISTEN, else gives `host:port` as bound. */
export async function listenTcp(server: Server, host: string, port: number): Promise<string> {
  await listening(server, () => server.listen({ host, port }), `${host}:${port}`)
  const address = server.address()
  const bound = typeof address === 'object' && address !== null ? address.port : port
  return host.includes(':') ? `[${host}]:${bound}` : `${host}:${bound}`
}

/** Waits until a server that `start` makes listen does so; throws WEFT_LISTEN. */
export async function listening(server: Server, start: () => void, address: string): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.once('listening', resolve)
      start()
    })
  } catch (cause) {
    throw new MeshError('WEFT_LISTEN', 'cannot listen', { cause, fields: { address } })
  }
  // Later errors are those of single accepts; the next one succeeds or fails on its own.
  server.removeAllListeners('error')
  server.on('error', () => {})
}

/** Stops listening and cuts what is open; harmless when it never listened. */
export async function closeServer(server: Server): Promise<void> {
  if (!server.listening) return
  await new Promise<void>(resolve => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
