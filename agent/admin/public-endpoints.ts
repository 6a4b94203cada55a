import { type Running, Started } from '../../mesh/std/lifecycle.ts'
import { closeServer, createHttpServer, listenTcp, type Routes } from './http.ts'

export interface PublicEndpointsDeps {
  /** Why the agent is not ready; empty when it is. */
  notReady(): readonly string[]
  readonly metrics: { readonly contentType: string; render(): Promise<string> }
}

export interface PublicEndpointsOptions {
  readonly host: string
  readonly metricsPort: number
  readonly readinessPort: number
}

/**
 * Opens what may be read without authentication: `/metrics` on one port, `/healthz/ready` and `/healthz/live` on
 * another. Nothing here changes anything, and nothing here names an address. Throws WEFT_LISTEN.
 */
export async function startPublicEndpoints(
  deps: PublicEndpointsDeps,
  options: PublicEndpointsOptions,
): Promise<Running> {
  const started = new Started()
  const open = async (routes: Routes, port: number) => {
    const server = createHttpServer(routes)
    const address = await listenTcp(server, options.host, port)
    started.add(() => closeServer(server))
    return address
  }
  try {
    const readiness = await open(
      {
        'GET /healthz/ready': () => {
          const notReady = deps.notReady()
          return notReady.length === 0
            ? { status: 200, body: { ready: true } }
            : { status: 503, body: { ready: false, notReady } }
        },
        'GET /healthz/live': () => ({ status: 200, body: { live: true } }),
      },
      options.readinessPort,
    )
    const metrics = await open(
      {
        'GET /metrics': async () => ({
          status: 200,
          body: await deps.metrics.render(),
          contentType: deps.metrics.contentType,
        }),
      },
      options.metricsPort,
    )
    return { addresses: { readiness, metrics }, stop: () => started.stop() }
  } catch (error) {
    await started.stop()
    throw error
  }
}
