import { join } from 'node:path'
import { type ApiClient, connectApi } from '../../cli/api-client.ts'
import { systemClock, systemRandom } from '../../mesh/std/clock.ts'
import { silentLog } from '../../mesh/std/log.ts'
import { loadServerConfig, type ServerConfig } from '../../server/config.ts'
import { type RunningServer, startServer } from '../../server/server.ts'

/** A configuration on free ports of loopback, with the given registries. */
export function testServerConfig(dataDir: string, registries: readonly object[], more: Partial<ServerConfig> = {}) {
  const config = loadServerConfig({
    env: { WEFT_SERVER_REGISTRIES: JSON.stringify(registries), WEFT_SERVER_NAME: 'test-server' },
    flags: { 'data-dir': dataDir, listen: '127.0.0.1', 'trust-domain': 'mesh.test' },
  })
  const ports = { websocketPort: 0, grpcPort: 0, apiPort: 0, metricsPort: 0, metricsHost: '127.0.0.1' }
  return { ...config, listen: { ...config.listen, ...ports }, ...more }
}

export interface TestServer {
  readonly running: RunningServer
  /** The command line's own client, with the first start's token. */
  readonly api: ApiClient
}

/** Starts a real server. */
export async function startTestServer(config: ServerConfig): Promise<TestServer> {
  const running = await startServer(config, { clock: systemClock, random: systemRandom, log: silentLog })
  const tokenFile = join(config.dataDir, 'admin-token')
  const api = connectApi({ server: running.addresses.api ?? '', tokenFile }, {})
  return { running, api }
}
