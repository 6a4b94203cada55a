import type http from 'node:http'
import type Consul from 'consul'
import type { Write } from './connection.ts'

/** The package, with what its type declarations leave out. */
export interface BareConsul {
  readonly consul: Consul
  /** Sends a write for which the package has no method, and resolves to `[response, body]`. */
  write(write: Write, token: string | undefined, context: object): Promise<unknown>
}

/** Larger answers are refused: a hundred thousand instances fit. */
const maxAnswerBytes = 64 * 1024 * 1024

/** Pipeline of requests and plain requests, as the package inherits them from papi 1.1. */
interface Extensible {
  _ext(event: 'onCreate', run: (request: { opts: { query: object } }, next: () => void) => void): void
  _ext(event: 'onRequest', run: (request: { transport: Transport }, next: () => void) => void): void
  _request(options: object, ...steps: readonly Step[]): Promise<unknown>
}

interface Transport {
  request(options: http.RequestOptions): http.ClientRequest
}

type Step = (request: Finished, next: (stop: false, error?: Error, value?: unknown) => void) => void

interface Finished {
  readonly err?: Error & { response?: unknown }
  readonly res?: { readonly body?: unknown }
}

/**
 * The package waits for the end of a body however long it grows, and for ever when it breaks off. This ends both with
 * an error, by wrapping the transport that it is about to use. The parameters are sent with each request.
 */
export function bare(consul: Consul, parameters: Readonly<Record<string, string>>): BareConsul {
  const extensible = consul as unknown as Extensible
  extensible._ext('onCreate', (request, next) => {
    Object.assign(request.opts.query, parameters)
    next()
  })
  extensible._ext('onRequest', (request, next) => {
    const { transport } = request
    request.transport = {
      request(options) {
        const { hostname } = options
        const outgoing = transport.request({ ...options, ...(hostname != null && { hostname: unbracketed(hostname) }) })
        outgoing.on('response', response => watchBody(outgoing, response))
        return outgoing
      },
    }
    next()
  })
  return {
    consul,
    write({ method, path, body }, token, ctx) {
      const headers = token === undefined ? {} : { 'x-consul-token': token }
      const content = body === undefined ? {} : { body, type: 'json' }
      return extensible._request({ method, path, headers, ...content, ctx }, withResponse)
    },
  }
}

/** As the package's own methods end. */
function withResponse({ err, res }: Finished, next: Parameters<Step>[1]): void {
  if (err === undefined) return next(false, undefined, [res, res?.body])
  err.response = res
  next(false, err)
}

/** The package hands an IPv6 address on as it stands in a URL, which Node takes for a name. */
function unbracketed(hostname: string): string {
  return hostname.replaceAll(/[[\]]/g, '')
}

function watchBody(outgoing: http.ClientRequest, response: http.IncomingMessage): void {
  let bytes = 0
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes <= maxAnswerBytes) return
    outgoing.emit('error', new Error(`the answer is larger than ${maxAnswerBytes} bytes`))
    outgoing.destroy()
  })
  response.on('close', () => {
    if (!response.complete) outgoing.emit('error', new Error('the answer broke off'))
  })
}
