import { hostname } from 'node:os'
import { derived } from '../../mesh/std/derived.ts'
import type { Watch } from '../../mesh/std/watch.ts'
import type { ApiCredentials } from '../api/http-api.ts'
import { startServerApi } from '../api/server-api.ts'
import type { ServerConfig } from '../config.ts'
import type { ServerParts } from '../parts.ts'
import { serveGrpc } from '../push/grpc.ts'
import type { ListenCredentials } from '../push/listen.ts'
import type { Pusher } from '../push/pusher.ts'
import { serveWs } from '../push/ws.ts'
import type { ServerCredentials } from '../server-certificate.ts'
import { serveTelemetry } from '../telemetry/http.ts'
import type { ServerMetrics } from '../telemetry/metrics.ts'
import type { PartDeps } from './deps.ts'

export interface PortsDeps extends Pick<PartDeps, 'clock' | 'log' | 'started'> {
  readonly credentials: Watch<ServerCredentials>
  readonly pusher: Pick<Pusher, 'accept'>
  readonly api: Omit<ServerParts, 'credentials'>
  readonly metrics: ServerMetrics
  readonly ready: Watch<boolean>
}

/**
 * Opens the ports: those for agents, the API, metrics. Resolves to what is bound, by name (`websocket`, `grpc`, `api`,
 * `metrics`). Throws WEFT_LISTEN.
 */
export async function openPorts(deps: PortsDeps, { name, listen, trustDomain }: ServerConfig) {
  const { clock, log, started, credentials, pusher, metrics, ready } = deps
  const agentCredentials = derived<ListenCredentials>([credentials], () => credentials.value)
  const apiCredentials = derived<ApiCredentials>([credentials], () => credentials.value)
  const control = { host: listen.host, credentials: agentCredentials.watch, trustDomain, log, clock }
  const websocket = await serveWs({ ...control, port: listen.websocketPort }, pusher.accept('websocket'))
  started.add(() => websocket.stop())
  const grpc = await serveGrpc({ ...control, port: listen.grpcPort }, pusher.accept('grpc'))
  started.add(() => grpc.stop())
  const api = await startServerApi(
    { ...deps.api, credentials: apiCredentials.watch },
    { host: listen.host, port: listen.apiPort, names: [name, hostname(), ...listen.apiNames] },
  )
  started.add(() => api.stop())
  const notReady = () => (ready.value ? undefined : 'waiting for the first view of every registry')
  const telemetry = await serveTelemetry(
    { metrics, notReady, log },
    { host: listen.metricsHost, port: listen.metricsPort },
  )
  started.add(() => telemetry.stop())
  return {
    websocket: websocket.addresses.control ?? '',
    grpc: grpc.addresses.control ?? '',
    ...api.addresses,
    ...telemetry.addresses,
  }
}
