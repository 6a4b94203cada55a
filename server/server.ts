import { join as joinPath } from 'node:path'
import { type Running, Started } from '../mesh/std/lifecycle.ts'
import { version } from '../mesh/std/version.ts'
import { Watch } from '../mesh/std/watch.ts'
import { createApiTokens } from './access/api-tokens.ts'
import { ensureAdminToken } from './admin-token.ts'
import { createAttestors } from './assembly/attestors.ts'
import { startCompiling } from './assembly/compiling.ts'
import type { PartDeps, ServerDeps } from './assembly/deps.ts'
import { startFlows } from './assembly/flows.ts'
import { startIdentity } from './assembly/identity.ts'
import { startMerging } from './assembly/merging.ts'
import { createOutboundFetch } from './assembly/outbound.ts'
import { openPorts } from './assembly/ports.ts'
import { startPushing } from './assembly/pushing.ts'
import { startSources } from './assembly/sources.ts'
import { openStore } from './assembly/store.ts'
import { followTokenKeys } from './assembly/token-keys.ts'
import { openAuditLog } from './audit/audit-log.ts'
import { emptyCatalogue } from './catalogue/catalogue.ts'
import { identityOf } from './compile/services.ts'
import type { ServerConfig } from './config.ts'
import { createChallenges } from './identity/attest/challenges.ts'
import { openBans } from './identity/bans.ts'
import { createHostTrust } from './identity/host-trust.ts'
import { joinNode } from './identity/join.ts'
import { createJoinTokens } from './identity/join-tokens.ts'
import { startRotator } from './identity/rotator.ts'
import { migrate } from './migrate.ts'
import type { ServerParts } from './parts.ts'

/** A running server; `adminTokenFile` names the file of the first API token when this start has made one. */
export interface RunningServer extends Running {
  readonly adminTokenFile?: string
}

/**
 * Starts a whole server: store, authority, registries, catalogue, compile and push, transports, API and metrics. It
 * resolves when all ports are open; agents get their configuration as soon as the registries have spoken. Throws a
 * MeshError when a part cannot start, with everything else stopped again.
 */
export async function startServer(config: ServerConfig, deps: ServerDeps): Promise<RunningServer> {
  const started = new Started()
  try {
    return await assemble(config, { ...deps, started })
  } catch (error) {
    await started.stop()
    throw error
  }
}

/** Starts all parts, each after those that it uses; what is started last is stopped first. */
async function assemble(config: ServerConfig, deps: PartDeps): Promise<RunningServer> {
  const { clock, log, started } = deps
  const { trustDomain } = config
  const store = openStore(deps, config.dataDir)
  const { authority, leafTtlMs, credentials } = await startIdentity(deps, config)
  const { rootHash } = authority
  const adminTokenFile = await ensureAdminToken(store.apiTokens, { ...config, rootHash, now: clock.now() })

  const snapshot = new Watch(emptyCatalogue)
  const sources = await startSources({ ...deps, store, snapshot }, config)
  const { nodes, resources, registries } = sources
  const { rules, merge, scope, ready } = startMerging({ ...deps, store, sources, snapshot }, config)
  const fetchText = createOutboundFetch(deps, config)
  const tokenKeys = followTokenKeys({ ...deps, resources: resources.current, fetchText }, config)
  const { keysOf } = tokenKeys
  const { views, mtls } = startCompiling({ ...deps, authority, sources, snapshot, ready, keysOf }, config)
  const hosts = createHostTrust()
  const flows = await startFlows({ ...deps, snapshot }, config)
  const { metrics, pusher } = startPushing(
    { ...deps, authority, credentials, hosts, sources, snapshot, views, tokenKeys, flows },
    { serverName: config.name, leafTtlMs },
  )

  const challenges = createChallenges()
  const judging = { clock, log, started, joinTokens: store.joinTokens, challenges, trustDomain }
  const attestors = createAttestors(judging, config.attestors)
  const admission = () => sources.admission.value
  const join = joinNode({ attestors, admission, nodes, proofs: store.proofs, authority, clock, log, leafTtlMs })
  const bans = await openBans({ clock, log, authority, nodes })
  started.add(() => bans.stop())
  const rotator = startRotator({ clock, log, authority, hosts, nodes: () => nodes.all.value })
  started.add(() => rotator.stop())
  const status = () => registries.status()
  const migrateDeps = { resources, merge, views: registries.views, catalogue: () => snapshot.value, registries: status }
  const api: Omit<ServerParts, 'credentials'> = {
    name: config.name,
    version,
    trustDomain,
    dnsDomain: config.dnsDomain,
    clock,
    log,
    catalogue: snapshot,
    rules,
    mergeScope: scope,
    views: registries.views,
    resources,
    flows,
    authority,
    rotator,
    bans: { bans, valid: () => authority.issued.valid(clock.now()), log: query => authority.issued.read(query) },
    joinTokens: createJoinTokens({ store: store.joinTokens, authority, clock, log }),
    apiTokens: createApiTokens(store.apiTokens, authority, clock),
    audit: openAuditLog(joinPath(config.dataDir, 'audit')),
    nodes,
    join,
    challenges,
    registries: status,
    tokenKeys: () => tokenKeys.status(),
    agents: () => pusher.agents(),
    confirmRemoval: registry => registries.confirm(registry),
    migrate: request => migrate(migrateDeps, request),
    mtlsOf: (workload, port) => mtls.value(workload, port),
    identityOf: workload => identityOf(workload, trustDomain),
  }
  const addresses = await openPorts({ ...deps, credentials, pusher, api, metrics, ready }, config)
  return {
    addresses,
    ...(adminTokenFile === undefined ? {} : { adminTokenFile }),
    stop: () => started.stop(),
  }
}
