import type { Running } from '../../mesh/std/lifecycle.ts'
import type { ServerParts } from '../parts.ts'
import { authenticate } from './api-tokens.ts'
import { type ApiOptions, startApi } from './http-api.ts'
import { identityRoutes } from './routes-identity.ts'
import { resourceRoutes } from './routes-resources.ts'
import { statusRoutes } from './routes-status.ts'

/** Serves the whole API of a running server; throws WEFT_LISTEN when the port is taken. */
export function startServerApi(parts: ServerParts, options: ApiOptions): Promise<Running> {
  const now = () => parts.clock.now()
  const routes = [
    ...identityRoutes({ join: request => parts.join(request), tokens: parts.joinTokens, now }),
    ...resourceRoutes(parts.resources),
    ...statusRoutes({
      name: parts.name,
      version: parts.version,
      trustDomain: parts.trustDomain,
      now,
      catalogue: () => parts.catalogue.value,
      agents: () => parts.agents(),
      registries: () => parts.registries(),
      mtlsOf: parts.mtlsOf,
      identityOf: workload => parts.identityOf(workload),
      confirmRemoval: registry => parts.confirmRemoval(registry),
    }),
  ]
  return startApi(
    {
      routes,
      authenticate: header => authenticate(parts.apiTokens, header),
      credentials: parts.credentials,
      log: parts.log,
    },
    options,
  )
}
