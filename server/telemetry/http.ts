import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describeError, MeshError } from '../../mesh/std/errors.ts'
import type { Running } from '../../mesh/std/lifecycle.ts'
import type { Log } from '../../mesh/std/log.ts'
import type { ServerMetrics } from './metrics.ts'

export interface TelemetryDeps {
  readonly metrics: Pick<ServerMetrics, 'text'>
  /** Why the server is not ready; undefined when it is. */
  readonly notReady: () => string | undefined
  readonly log: Log
}

export interface TelemetryOptions {
  readonly host: string
  /** 0 picks a free one. */
  readonly port: number
}

/**
 * Serves `/metrics`, `/healthz` (the process answers) and `/readyz` (agents are served) over plain HTTP. It reads
 * nothing from a request but its method and path. Throws WEFT_LISTEN.
 */
export async function serveTelemetry(deps: TelemetryDeps, options: TelemetryOptions): Promise<Running> {
  const server = createServer(
    {
      maxHeaderSize: 8 * 1024,
      requestTimeout: 10_000,
      headersTimeout: 10_000,
      keepAliveTimeout: 5_000,
      connectionsCheckingInterval: 5_000,
    },
    (request, response) => {
      answer(deps, request, response).catch((error: unknown) => {
        deps.log.error('metrics could not be written', { error: describeError(error) })
        response.destroy()
      })
    },
  )
  server.maxConnections = 256
  await new Promise<void>((resolve, reject) => {
    server.once('error', cause => {
      reject(new MeshError('WEFT_LISTEN', 'could not listen for metrics', { fields: { ...options }, cause }))
    })
    server.listen(options.port, options.host, resolve)
  })
  const address: AddressInfo | string | null = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : options.port
  return {
    addresses: { metrics: `${options.host.includes(':') ? `[${options.host}]` : options.host}:${port}` },
    async stop() {
      server.closeAllConnections()
      if (server.listening) await new Promise(resolve => server.close(resolve))
    },
  }
}

async function answer(deps: TelemetryDeps, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') return text(response, 405, 'only GET is served here')
  switch (request.url?.split('?')[0]) {
    case '/metrics': {
      const { contentType, body } = await deps.metrics.text()
      response.writeHead(200, { 'content-type': contentType }).end(body)
      return
    }
    case '/healthz':
      return text(response, 200, 'ok')
    case '/readyz': {
      const problem = deps.notReady()
      return problem === undefined ? text(response, 200, 'ready') : text(response, 503, problem)
    }
    default:
      return text(response, 404, 'there is /metrics, /healthz and /readyz')
  }
}

function text(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${body}\n`)
}
