import type { Running } from '../../mesh/std/lifecycle.ts'
import { mergeProblems } from '../catalogue/merge-check.ts'
import type { ServerParts } from '../parts.ts'
import { type ApiOptions, startApi } from './http-api.ts'
import type { Route } from './route.ts'
import { banRoutes } from './routes-bans.ts'
import { caRoutes } from './routes-ca.ts'
import { flowRoutes } from './routes-flows.ts'
import { identityRoutes } from './routes-identity.ts'
import { operatorRoutes } from './routes-operators.ts'
import { resourceRoutes } from './routes-resources.ts'
import { serviceRoutes } from './routes-services.ts'
import { statusRoutes } from './routes-status.ts'

/** Every route there is. */
export function apiRoutes(parts: ServerParts): readonly Route[] {
  const now = () => parts.clock.now()
  return [
    ...identityRoutes({
      join: parts.join,
      clock: parts.clock,
      challenges: parts.challenges,
      trustDomain: parts.trustDomain,
      tokens: parts.joinTokens,
      now,
    }),
    ...caRoutes(parts.rotator),
    ...banRoutes(parts.bans),
    ...operatorRoutes({ tokens: parts.apiTokens, audit: parts.audit, now }),
    ...resourceRoutes(parts.resources),
    ...flowRoutes({
      now,
      trustDomain: parts.trustDomain,
      rootNamespace: parts.mergeScope.rootNamespace,
      catalogue: () => parts.catalogue.value,
      flows: parts.flows,
      resources: parts.resources,
      nodes: () => [...parts.nodes.all.value.keys()],
    }),
    ...serviceRoutes({
      now,
      catalogue: () => parts.catalogue.value,
      rules: () => parts.rules.value,
      views: parts.views,
      migrate: request => parts.migrate(request),
    }),
    ...statusRoutes({
      name: parts.name,
      version: parts.version,
      trustDomain: parts.trustDomain,
      now,
      catalogue: () => parts.catalogue.value,
      resources: () => parts.resources.current.value,
      dnsDomain: parts.dnsDomain,
      rootNamespace: parts.mergeScope.rootNamespace,
      problems: () => [
        ...parts.catalogue.value.problems,
        ...mergeProblems(parts.resources.current.value, parts.mergeScope),
      ],
      agents: () => parts.agents(),
      registries: () => parts.registries(),
      tokenKeys: () => parts.tokenKeys(),
      mtlsOf: parts.mtlsOf,
      identityOf: workload => parts.identityOf(workload),
      confirmRemoval: registry => parts.confirmRemoval(registry),
    }),
  ]
}

/** Serves the whole API of a running server; throws WEFT_LISTEN when the port is taken. */
export function startServerApi(parts: ServerParts, options: ApiOptions): Promise<Running> {
  return startApi(
    {
      routes: apiRoutes(parts),
      authenticate: header => parts.apiTokens.authenticate(header),
      audit: parts.audit,
      credentials: parts.credentials,
      clock: parts.clock,
      log: parts.log,
    },
    options,
  )
}
