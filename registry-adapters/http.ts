import http, { type IncomingHttpHeaders } from 'node:http'
import https from 'node:https'
import { connect } from 'node:net'
import got, { type Got } from 'got'

/** Where a registry's HTTP API is, and how to prove who asks: texts, not file names. */
export interface HttpSettings {
  /** `http://host:port` or `https://host:port`. With a socket path only the Host header is taken from it. */
  readonly origin: string
  readonly socketPath?: string | undefined
  /** Authorities, client certificate and key in PEM; `serverName` is the name the server's certificate must have. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string; readonly serverName?: string }
  /** Most pooled sockets open at once; further requests wait for one. */
  readonly maxSockets: number
}

export interface HttpHead {
  readonly status: number
  readonly headers: IncomingHttpHeaders
}

/** One GET. Whoever made it closes it, whatever happened. */
export interface HttpExchange {
  /** Status and headers; rejects when it is closed, or the connection fails, before they have come. */
  readonly head: Promise<HttpHead>
  /** The body as it comes, once; throws when it breaks off. */
  readonly body: AsyncIterable<Uint8Array>
  /** True for a socket kept from an earlier request: a failure may only mean that the server had closed it. */
  readonly keptSocket: boolean
  /** Ends the request and its socket, unless the whole answer has been read. */
  close(): void
}

export interface HttpConnection {
  /** Sends a request. A `pooled` one shares the kept sockets, a `single` one has a socket of its own. */
  get(pathAndQuery: string, headers: Readonly<Record<string, string>>, socket: 'pooled' | 'single'): HttpExchange
  /** Lets what is under way end, and closes every socket then. */
  retire(): void
  /** Ends every request and closes every socket. */
  close(): void
}

/** A peer that vanished without a word is noticed about ten probes after this. */
const tcpKeepAliveMs = 10_000

/**
 * Plain requests over the package `got` with everything switched off that would surprise: no retries, no redirects, no
 * timers of its own, no error for a status. Opens nothing yet.
 */
export function createHttpConnection(settings: HttpSettings): HttpConnection {
  const agents = {
    pooled: createAgent(settings, { keepAlive: true, keepAliveMsecs: tcpKeepAliveMs, maxSockets: settings.maxSockets }),
    single: createAgent(settings, { keepAlive: false }),
  }
  const client = got.extend({
    retry: { limit: 0 },
    followRedirect: false,
    throwHttpErrors: false,
    headers: { 'user-agent': 'weft' },
  })
  const open = { pooled: new Set<HttpExchange>(), single: new Set<HttpExchange>() }
  let retired = false

  /** Closes kept sockets once no request needs them any more. */
  function tidy(socket: 'pooled' | 'single'): void {
    if (!retired || open[socket].size > 0) return
    // A request that is cut off before it has a socket gives that back, and destroying does not see it.
    agents[socket].maxFreeSockets = 0
    agents[socket].destroy()
  }

  return {
    get(pathAndQuery, headers, socket) {
      const agent = agents[socket]
      const exchange = startExchange(client, `${settings.origin}${pathAndQuery}`, agent, headers, () => {
        open[socket].delete(exchange)
        tidy(socket)
      })
      open[socket].add(exchange)
      return exchange
    },
    retire() {
      retired = true
      tidy('pooled')
      tidy('single')
    },
    close() {
      retired = true
      for (const exchange of [...open.pooled, ...open.single]) exchange.close()
      tidy('pooled')
      tidy('single')
    },
  }
}

/** A body as text; undefined when it is larger than `maxBytes`, of which no more is read then. */
export async function readBody(exchange: HttpExchange, maxBytes: number): Promise<string | undefined> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of exchange.body) {
    bytes += chunk.length
    if (bytes > maxBytes) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, bytes).toString('utf8')
}

function startExchange(
  client: Got,
  url: string,
  agent: http.Agent,
  headers: Readonly<Record<string, string>>,
  closed: () => void,
): HttpExchange {
  const stream = client.stream(url, { headers, agent: { http: agent, https: agent as https.Agent } })
  const head = new Promise<HttpHead>((resolve, reject) => {
    stream.once('response', response => resolve({ status: response.statusCode, headers: response.headers }))
    stream.once('error', reject)
    stream.once('close', () => reject(new Error('the request was closed')))
  })
  // Nobody may be waiting any more when it fails.
  head.catch(() => {})
  stream.on('error', () => {})
  // A reset is no end of a body, though the package takes it for one where the body ends with the connection.
  let broken: Error | undefined
  stream.once('request', request => {
    request.once('error', (error: Error) => {
      broken = error
    })
  })

  async function* body(): AsyncGenerator<Uint8Array> {
    for await (const chunk of stream) yield chunk
    if (broken !== undefined) throw broken
  }

  return {
    head,
    body: { [Symbol.asyncIterator]: body },
    get keptSocket() {
      return stream.reusedSocket === true
    },
    close() {
      stream.destroy()
      closed()
    },
  }
}

function createAgent(settings: HttpSettings, options: http.AgentOptions): http.Agent {
  const { socketPath, tls = {} } = settings
  if (socketPath !== undefined) {
    return Object.assign(new http.Agent(options), { createConnection: () => connect(socketPath) })
  }
  if (!settings.origin.startsWith('https:')) return new http.Agent(options)
  const { serverName, ...texts } = tls
  return new https.Agent({ ...options, ...texts, ...(serverName !== undefined && { servername: serverName }) })
}
