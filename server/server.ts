import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock, Random } from '../mesh/std/clock.ts'
import { derived } from '../mesh/std/derived.ts'
import { MeshError } from '../mesh/std/errors.ts'
import { type Running, Started } from '../mesh/std/lifecycle.ts'
import type { Log } from '../mesh/std/log.ts'
import { version } from '../mesh/std/version.ts'
import { Watch } from '../mesh/std/watch.ts'
import { createHealthWriter } from './adapters.ts'
import { ensureAdminToken } from './admin-token.ts'
import type { ApiCredentials } from './api/http-api.ts'
import { startServerApi } from './api/server-api.ts'
import { startCatalogue } from './catalogue/catalogue.ts'
import { startConfirmHeld } from './catalogue/confirm-held.ts'
import { composeMergeRules } from './catalogue/merge-rules.ts'
import { answersTcp } from './catalogue/tcp-answers.ts'
import { createVirtualIps } from './catalogue/virtual-ips.ts'
import { createPlacement } from './compile/placement.ts'
import { identityOf } from './compile/services.ts'
import type { CompileSettings } from './compile/settings.ts'
import type { ServerConfig } from './config.ts'
import { createHostReports } from './health/host-reports.ts'
import { startHealthWriteBack } from './health/write-back.ts'
import { type Authority, openAuthority } from './identity/authority.ts'
import { joinNode } from './identity/join.ts'
import { createJoinTokens } from './identity/join-tokens.ts'
import { createSigner } from './identity/sign.ts'
import { migrate } from './migrate.ts'
import { openNodes } from './nodes.ts'
import type { ServerParts } from './parts.ts'
import { mtlsVerdict, operatorDeclared, placementVerdict, resourcesRegistry } from './placement.ts'
import { serveGrpc } from './push/grpc.ts'
import type { ListenCredentials } from './push/listen.ts'
import { startPusher } from './push/pusher.ts'
import { startViews } from './push/views.ts'
import { serveWs } from './push/ws.ts'
import { startHostsRegistry } from './registrations/hosts-registry.ts'
import { itemRulesOf, massRemovalOf, startRegistries, withRegistry } from './registries.ts'
import { knownServices } from './resource-findings.ts'
import { openResources } from './resources.ts'
import { startServerCertificate } from './server-certificate.ts'
import { openSqliteStore } from './store/sqlite.ts'
import { countChanges } from './telemetry/changes.ts'
import { serveTelemetry } from './telemetry/http.ts'
import { createServerMetrics } from './telemetry/metrics.ts'

export interface ServerDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

/** A running server; `adminTokenFile` names the file of the first API token when this start has made one. */
export interface RunningServer extends Running {
  readonly adminTokenFile?: string
}

/**
 * Starts a whole server: store, authority, registries, catalogue, compile and push, transports, API and metrics. This
 * is the only file that knows every part. It resolves when all ports are open; agents get their configuration as soon
 * as the registries have spoken. Throws a MeshError when a part cannot start, with everything else stopped again.
 */
export async function startServer(config: ServerConfig, deps: ServerDeps): Promise<RunningServer> {
  const started = new Started()
  try {
    return await start(config, deps, started)
  } catch (error) {
    await started.stop()
    throw error
  }
}

async function start(config: ServerConfig, deps: ServerDeps, started: Started): Promise<RunningServer> {
  const { clock, random, log } = deps
  const { trustDomain } = config
  makeDataDir(config.dataDir)
  const store = openSqliteStore(join(config.dataDir, 'store.db'), { log })
  started.add(() => store.close())
  const passphrase = readPassphrase(config.passphraseFile)
  const authority = await openAuthority(
    { dataDir: config.dataDir, trustDomain, ...(passphrase === undefined ? {} : { passphrase }) },
    { clock, log },
  )
  const leafTtlMs = config.leafTtlSeconds * 1000
  const certificate = startServerCertificate(
    { authority, clock, random, log },
    { serverName: config.name, ttlMs: leafTtlMs },
  )
  started.add(() => certificate.stop())
  const { credentials } = certificate
  const agentCredentials = derived<ListenCredentials>([credentials], () => credentials.value)
  const apiCredentials = derived<ApiCredentials>([credentials], () => credentials.value)
  const { rootHash } = authority
  const adminTokenFile = await ensureAdminToken(store.apiTokens, { ...config, rootHash, now: clock.now() })

  const nodes = await openNodes(store.nodes)
  const resources = await openResources(store.resources, {
    clock,
    log,
    rootNamespace: config.rootNamespace,
    registries: [resourcesRegistry, ...config.registries.map(({ name }) => name)],
    workloads: () => catalogue.snapshot.value.workloads.values(),
    domain: config.dnsDomain,
    services: () => knownServices(catalogue.snapshot.value, config.dnsDomain),
  })
  started.add(() => resources.stop())
  const trusted = operatorDeclared(config.registries)
  const configured = await startRegistries({ clock, random, log, resources }, config)
  started.add(() => configured.stop())
  const names = configured.views.map(view => view.name)
  const hostReports = createHostReports({ clock })
  const hosts = await startHostsRegistry(
    {
      clock,
      random,
      log,
      store: store.registrations,
      reports: hostReports.registrations,
      resources: resources.current,
      nodes: nodes.all,
      others: configured.views,
      operatorDeclared: trusted,
      rules: itemRulesOf(config),
    },
    {
      graceMs: config.register.graceSeconds * 1000,
      addresses: config.register.addresses,
      massRemoval: massRemovalOf(config),
    },
  )
  started.add(() => hosts.stop())
  const registries = withRegistry(configured, hosts.view)
  const virtualIps = createVirtualIps(store.virtualIps, config.virtualIps)
  const rules = derived([resources.current], () => {
    return composeMergeRules({ ...config.merge, rootNamespace: config.rootNamespace }, resources.current.value, names)
  })
  started.add(() => rules.stop())
  const catalogue = startCatalogue(
    {
      clock,
      log,
      virtualIps,
      views: registries.views,
      rules: rules.watch,
      probed: hostReports.health,
      reporting: hostReports.registrations,
    },
    config,
  )
  started.add(() => catalogue.stop())
  const confirmHeld = startConfirmHeld({
    clock,
    log,
    views: configured.views,
    probed: hostReports.health,
    reporting: hostReports.registrations,
    answers: answersTcp,
  })
  started.add(() => confirmHeld.stop())

  const writers = config.registries.flatMap(registry => {
    const writer = createHealthWriter(registry, deps)
    return writer === undefined ? [] : [[registry.name, writer] as const]
  })
  const writeBack = startHealthWriteBack(catalogue.snapshot, new Map(writers))
  started.add(() => writeBack.stop())

  const place = createPlacement()
  const mayHold = derived([catalogue.snapshot, nodes.all], () => {
    return placementVerdict(place(catalogue.snapshot.value), nodes.all.value, trusted)
  })
  started.add(() => mayHold.stop())
  const mtls = derived([resources.current], () => mtlsVerdict(resources.current.value, config))
  started.add(() => mtls.stop())
  const settings = new Watch(compileSettings(config, authority))
  const views = startViews({
    clock,
    log,
    catalogue: catalogue.snapshot,
    resources: resources.current,
    ready: catalogue.ready,
    settings,
    mayHold: mayHold.watch,
    mtls: mtls.watch,
  })
  started.add(() => views.stop())

  const metrics = createServerMetrics({
    now: () => clock.now(),
    agents: () => pusher.agents(),
    registries: () => registries.status(),
    catalogue: () => catalogue.snapshot.value,
    certificates: () => [{ name: 'server', notAfter: credentials.value.notAfter }],
  })
  for (const view of registries.views) {
    started.add(countChanges(view.snapshot, items => metrics.registryChanged(view.name, items)))
  }
  started.add(countChanges(catalogue.snapshot, items => metrics.catalogueChanged(items)))
  const signer = createSigner({
    authority,
    nodes,
    workloads: () => catalogue.snapshot.value.workloads.values(),
    operatorDeclared: trusted,
    log,
    leafTtlMs,
  })
  const pusher = startPusher(
    {
      clock,
      log,
      views,
      nodes: nodes.all,
      sign: request => signer.sign(request),
      report: (node, report) => hostReports.report(node, report),
      left: node => hostReports.left(node),
      observe: metrics,
    },
    { serverName: config.name, serverVersion: version },
  )
  started.add(() => pusher.stop())

  const migrateDeps = {
    resources,
    merge: { ...config.merge, rootNamespace: config.rootNamespace },
    views: registries.views,
    catalogue: () => catalogue.snapshot.value,
    registries: () => registries.status(),
  }
  const parts: ServerParts = {
    name: config.name,
    version,
    trustDomain,
    dnsDomain: config.dnsDomain,
    clock,
    log,
    credentials: apiCredentials.watch,
    catalogue: catalogue.snapshot,
    rules: rules.watch,
    mergeScope: { registries: names, rootNamespace: config.rootNamespace },
    views: registries.views,
    resources,
    authority,
    joinTokens: createJoinTokens({ store: store.joinTokens, authority, clock, log }),
    apiTokens: store.apiTokens,
    nodes,
    join: joinNode({ tokens: store.joinTokens, nodes, authority, clock, log, leafTtlMs }),
    registries: () => registries.status(),
    agents: () => pusher.agents(),
    confirmRemoval: registry => registries.confirm(registry),
    migrate: request => migrate(migrateDeps, request),
    mtlsOf: (workload, port) => mtls.watch.value(workload, port),
    identityOf: workload => identityOf(workload, trustDomain),
  }
  const { listen } = config
  const control = { host: listen.host, credentials: agentCredentials.watch, trustDomain, log, clock }
  const websocket = await serveWs({ ...control, port: listen.websocketPort }, pusher.accept('websocket'))
  started.add(() => websocket.stop())
  const grpc = await serveGrpc({ ...control, port: listen.grpcPort }, pusher.accept('grpc'))
  started.add(() => grpc.stop())
  const api = await startServerApi(parts, { host: listen.host, port: listen.apiPort })
  started.add(() => api.stop())
  const notReady = () => (catalogue.ready.value ? undefined : 'waiting for the first view of every registry')
  const telemetry = await serveTelemetry(
    { metrics, notReady, log },
    { host: listen.metricsHost, port: listen.metricsPort },
  )
  started.add(() => telemetry.stop())
  return {
    addresses: {
      websocket: websocket.addresses.control ?? '',
      grpc: grpc.addresses.control ?? '',
      ...api.addresses,
      ...telemetry.addresses,
    },
    ...(adminTokenFile === undefined ? {} : { adminTokenFile }),
    stop: () => started.stop(),
  }
}

function compileSettings(config: ServerConfig, authority: Authority): CompileSettings {
  const { sequence, roots } = authority.trustBundle
  return {
    trustDomain: config.trustDomain,
    dnsDomain: config.dnsDomain,
    rootNamespace: config.rootNamespace,
    virtualIpRanges: [config.virtualIps.ipv4, config.virtualIps.ipv6],
    ...(config.defaultIdentity === '' ? {} : { defaultIdentity: config.defaultIdentity }),
    trust: { sequence, roots },
  }
}

function makeDataDir(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw new MeshError('WEFT_STORE', 'the data directory cannot be made', { fields: { path }, cause })
  }
}

function readPassphrase(file: string): string | undefined {
  if (file === '') return undefined
  try {
    const passphrase = readFileSync(file, 'utf8').replace(/\r?\n$/, '')
    if (passphrase !== '') return passphrase
  } catch (cause) {
    throw new MeshError('WEFT_CONFIG_INVALID', 'the passphrase file cannot be read', { fields: { file }, cause })
  }
  throw new MeshError('WEFT_CONFIG_INVALID', 'the passphrase file is empty', { fields: { file } })
}
