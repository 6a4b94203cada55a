import type { Duplex } from 'node:stream'
import { fieldOf } from '../../../mesh/routing/header-fields.ts'
import { appServerOptions } from '../h2/app-options.ts'
import { H2Connection } from '../h2/connection.ts'
import { type Http1Problem, Http1ServerConnection } from '../http1/server-connection.ts'
import type { ThreadState } from '../state.ts'
import type { RefusedRequest } from './refused-request.ts'
import type { HttpServerConnection, HttpStream } from './stream.ts'

/** What becomes of the requests of one connection. */
export interface RequestHandler {
  request(stream: HttpStream, headers: string[], endStream: boolean): void
  /** One that the codec refused and answered itself. */
  refused(problem: RefusedRequest): void
}

/** Connections that carry requests and are open: at the end each is told to finish. */
export class HttpConnections {
  readonly #open = new Set<HttpServerConnection>()

  get size(): number {
    return this.#open.size
  }

  /** Speaks HTTP to whoever is at the other end of the socket; nothing of it was read yet. `scheme` is how it came. */
  serve(
    socket: Duplex,
    protocol: 'http1' | 'http2',
    state: ThreadState,
    handler: RequestHandler,
    scheme: 'http' | 'https' = 'http',
  ): HttpServerConnection {
    const connection = this.#connection(socket, protocol, state, handler, scheme)
    connection.onStream = (stream, headers, endStream) => handler.request(stream, headers, endStream)
    connection.onClose = () => this.#open.delete(connection)
    this.#open.add(connection)
    return connection
  }

  /** Open requests finish, then their connections close. */
  drain(): void {
    for (const connection of this.#open) connection.goaway()
  }

  destroy(reason: string): void {
    for (const connection of [...this.#open]) connection.destroy(reason)
  }

  #connection(
    socket: Duplex,
    protocol: 'http1' | 'http2',
    { clock, blocks, http1: shared }: ThreadState,
    handler: RequestHandler,
    scheme: 'http' | 'https',
  ): HttpServerConnection {
    if (protocol === 'http1') {
      const refused = ({ code, ...problem }: Http1Problem) =>
        handler.refused({ ...problem, codeDetails: `http1.${code}` })
      return new Http1ServerConnection(socket, { clock, shared, refused, scheme })
    }
    const connection = new H2Connection(socket, 'server', { ...appServerOptions(clock, blocks), scheme })
    connection.onRefused = ({ status, detail }, headers) => {
      handler.refused({
        status: Number(status),
        codeDetails: 'http2.refused',
        detail,
        method: fieldOf(headers, ':method') ?? '',
        path: fieldOf(headers, ':path') ?? '',
        authority: fieldOf(headers, ':authority') ?? '',
      })
    }
    return connection
  }
}
