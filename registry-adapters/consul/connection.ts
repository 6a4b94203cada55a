import http from 'node:http'
import https from 'node:https'
import Consul from 'consul'
import type { Credentials } from './credentials.ts'
import type { ConsulSettings } from './options.ts'

/** A kind of read, as the HTTP API has it; everything the adapter ever asks. */
export type Resource =
  /** `/v1/catalog/services`: names of all services with all their tags. */
  | { readonly kind: 'services' }
  /** `/v1/catalog/nodes` */
  | { readonly kind: 'nodes' }
  /** `/v1/health/state/<status>`: the checks that have it, which are few; the index moves with any check. */
  | { readonly kind: 'critical' | 'warning' }
  /** `/v1/health/service/<name>`: instances with their node and checks, as of one moment. */
  | { readonly kind: 'service'; readonly name: string }

/** Parameters of one read, as the package takes them. */
export interface ReadParameters {
  readonly index?: string
  readonly wait?: string
  readonly stale?: boolean
  readonly consistent?: boolean
}

/** The package with one set of credentials: its own sockets, bounded in number. */
export interface Connection {
  /** Resolves to the package's `[response, body]`; emitting `cancel` on the context ends the request. */
  read(resource: Resource, parameters: ReadParameters, context: object): Promise<unknown>
  /** Ends every request and closes every socket. */
  close(): void
}

/** Larger answers are refused: a hundred thousand instances fit. */
const maxAnswerBytes = 64 * 1024 * 1024
/** A peer that vanished without a word is noticed about ten probes after this. */
const tcpKeepAliveMs = 10_000

/** Opens nothing yet: sockets are made as requests need them, never more than `maxOpenQueries`. */
export function createConnection(settings: ConsulSettings, credentials: Credentials): Connection {
  const { token, ...tls } = credentials
  const sockets = { keepAlive: true, keepAliveMsecs: tcpKeepAliveMs, maxSockets: settings.maxOpenQueries }
  const agent = settings.secure ? new https.Agent({ ...sockets, ...tls }) : new http.Agent(sockets)
  const consul = new Consul({ host: settings.host, port: settings.port, secure: settings.secure, agent })
  guard(consul)
  const common = { ...(token !== undefined && { token }), ...(settings.datacenter && { dc: settings.datacenter }) }
  return {
    read(resource, parameters, ctx) {
      const options = { ...common, ...parameters, ctx }
      switch (resource.kind) {
        case 'services':
          return consul.catalog.services(options)
        case 'nodes':
          return consul.catalog.nodes(options)
        case 'critical':
        case 'warning':
          return consul.health.state({ ...options, state: resource.kind })
        case 'service':
          return consul.health.service({ ...options, service: resource.name })
      }
    },
    close: () => agent.destroy(),
  }
}

/** The part of the package's request pipeline that the guard hooks into; its type declarations leave it out. */
interface Extensible {
  _ext(event: 'onRequest', run: (request: { transport: Transport }, next: () => void) => void): void
}

interface Transport {
  request(options: http.RequestOptions): http.ClientRequest
}

/**
 * The package waits for the end of a body however long it grows, and for ever when it breaks off. This ends both with
 * an error, by wrapping the transport that it is about to use.
 */
function guard(consul: Consul): void {
  const extensible = consul as unknown as Extensible
  extensible._ext('onRequest', (request, next) => {
    const { transport } = request
    request.transport = {
      request(options) {
        const outgoing = transport.request(options)
        outgoing.on('response', response => watchBody(outgoing, response))
        return outgoing
      },
    }
    next()
  })
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
