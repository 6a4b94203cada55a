import type { TrustBundle } from '../mesh/identity/trust-bundle.ts'
import type { Clock, Random, Timer } from '../mesh/std/clock.ts'
import { derived } from '../mesh/std/derived.ts'
import { MeshError } from '../mesh/std/errors.ts'
import { Started } from '../mesh/std/lifecycle.ts'
import type { Log } from '../mesh/std/log.ts'
import { version } from '../mesh/std/version.ts'
import { Watch } from '../mesh/std/watch.ts'
import { agentConfigOf } from '../mesh/wire/held-resources.ts'
import type { HostState } from '../mesh/wire/report-sender.ts'
import { refuseSecondAgent, startAdminSocket } from './admin/admin-socket.ts'
import { startPublicEndpoints } from './admin/public-endpoints.ts'
import type { AgentStatus } from './admin/status.ts'
import { notReadyOf, type StatusSources, secondsLeft, statusOf } from './admin/status-of.ts'
import type { AgentSettings } from './config.ts'
import { agentState } from './control/agent-state.ts'
import { createApplier } from './control/apply.ts'
import { startCaptureFollower } from './control/capture-follower.ts'
import type { ConnectOptions } from './control/dial.ts'
import { createDnsEndpoints } from './control/dns-endpoints.ts'
import { startDnsFollower } from './control/dns-follower.ts'
import { createListenerSet } from './control/listener-set.ts'
import { loadMembership } from './control/membership.ts'
import { createNameLookUp } from './control/name-look-up.ts'
import { startSavers } from './control/savers.ts'
import { type LinkStatus, type ServerLink, startServerLink } from './control/server-link.ts'
import { openStateDirectory } from './control/state-directory.ts'
import { connectWs } from './control/ws.ts'
import { startDataPlane } from './dataplane/start.ts'
import { startDns } from './dns/dns.ts'
import { createLookUp } from './dns/look-up.ts'
import { createChecks } from './health/checks.ts'
import { createProber } from './health/prober.ts'
import { hostFacts } from './host.ts'
import { startCertificates } from './identity/certificates.ts'
import type { HeldCertificate } from './identity/held-certificate.ts'
import type { Signer } from './identity/keeper.ts'
import { startCapture } from './intercept/capture.ts'
import { declaredBySettings, nameOfNode } from './registration/declared.ts'
import { leaveMesh } from './registration/leave.ts'
import { ownAddress } from './registration/own-address.ts'
import { createRegistrations } from './registration/registrations.ts'
import { registrationStatus } from './registration/status.ts'
import { createAgentMetrics } from './telemetry/metrics.ts'
import { createSpanExporter } from './telemetry/otlp.ts'

export interface AgentDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

/** A running agent. */
export interface Agent {
  /** `admin`, `metrics`, `readiness`, and every listener by name. */
  readonly addresses: Readonly<Record<string, string>>
  status(): AgentStatus
  /** Ends in good order: not ready, connections drained up to the deadline, capture, everything else. */
  stop(): Promise<void>
  /** Resolves when the agent has ended: by `stop`, by the admin socket, or with the error it could not go on after. */
  readonly ended: Promise<MeshError | undefined>
}

/** The node's new certificate is shown to the server within this time, so that a fleet does not do it at once. */
const reconnectSpreadMs = 60_000

/**
 * Starts an agent from its state directory and then connects it to its server. It serves what it knows before the
 * server is heard of. Throws WEFT_NOT_JOINED, WEFT_STATE_*, WEFT_LISTEN, WEFT_CONFIG_INVALID; nothing is left running then.
 */
export async function startAgent(settings: AgentSettings, deps: AgentDeps): Promise<Agent> {
  const started = new Started()
  try {
    return await assemble(settings, deps, started)
  } catch (error) {
    await started.stop()
    throw error
  }
}

async function assemble(settings: AgentSettings, deps: AgentDeps, started: Started): Promise<Agent> {
  const { clock, log } = deps
  const startedAt = clock.now()
  await refuseSecondAgent(settings.adminSocket)
  const state = agentState(await openStateDirectory(settings.stateDir, deps))
  const membership = await loadMembership(state, settings.node, log)
  const facts = hostFacts(deps)
  const savers = startSavers(deps, state, started)
  const ended = Promise.withResolvers<MeshError | undefined>()
  const signer = new Watch<Signer | undefined>(undefined)
  const trust = new Watch(membership.trust)
  const starting: LinkStatus = { kind: 'disconnected', since: startedAt, reason: 'starting', version: 0, rejected: [] }
  let link: ServerLink | undefined
  let stopping: Promise<void> | undefined
  let draining = false
  let frozen = false

  // First of all: sockets made before this would not be exempt from the rules.
  const capture = await startCaptureFollower(
    {
      ...deps,
      start: () =>
        startCapture(deps, {
          node: settings.node,
          mode: settings.capture.mode,
          onAgentDown: settings.capture.onAgentDown,
          excludePorts: settings.capture.excludePorts,
          excludeDestinations: settings.capture.excludeCidrs,
        }),
    },
    settings,
  )
  const spans = createSpanExporter(deps, nameOfNode(settings.node), version)
  started.add(() => spans.stop())
  const names = createNameLookUp({
    lookUp: createLookUp(settings.dns.upstreams),
    virtualIpRanges: () => applier.current.value?.host.virtualIpRanges ?? [],
  })
  started.add(() => names.stop())
  const dataPlane = startDataPlane(
    {
      log,
      failed: cause => fail(new MeshError('WEFT_AGENT_FAILED', 'a data thread ended by itself', { cause })),
      spans: finished => spans.add(finished),
      lookUp: name => names.find(name),
    },
    {
      threads: settings.threads,
      accessLogEncoding: settings.accessLogEncoding,
      socketDirectories: settings.inbound.unixSockets,
      credentialDirectory: settings.credentials.directory,
      ...(settings.accessLog !== '' && { accessLog: settings.accessLog }),
    },
  )
  started.add(() => dataPlane.stop())
  started.add(() => capture.stop())
  const dns = await startDnsFollower({ ...deps, start: options => startDns(deps, options) }, settings)
  started.add(() => dns.stop())

  const certificates = startCertificates(
    { ...deps, signer, trust, save: (node, workloads) => savers.certificates.save({ node, workloads }) },
    membership,
  )
  started.add(() => certificates.stop())
  started.add(certificates.credentials.subscribe(credentials => dataPlane.credentials(credentials)))
  started.add(trust.subscribe(bundle => savers.trust.save(bundle)))

  const listeners = createListenerSet(
    { log, dataPlane, save: ports => savers.ports.save(ports) },
    { ports: settings.ports, assigned: membership.ports },
  )
  const automatic = declaredBySettings(settings)
  const registrations = createRegistrations(
    { log, save: kept => state.saveRegistrations(kept) },
    {
      kept: await state.registrations(),
      defaultName: nameOfNode(settings.node),
      ...(automatic !== undefined && { automatic }),
    },
  )
  const prober = createProber({ ...deps, check: createChecks(settings.health) })
  started.add(() => prober.stop())
  const report = derived<HostState>([prober.health, registrations.reported], () => ({
    health: prober.health.value,
    registrations: registrations.reported.value,
  }))
  started.add(() => report.stop())
  const dnsEndpoints = createDnsEndpoints({
    ...deps,
    lookUp: createLookUp(settings.dns.upstreams),
    changed() {
      if (frozen) return
      applier.refresh().catch(error => log.error('endpoints found by DNS are not in use', { error: String(error) }))
    },
  })
  started.add(() => dnsEndpoints.stop())
  const followers = [prober, capture, dns]
  const applier = createApplier({ log, dataPlane, certificates, listeners, endpoints: dnsEndpoints, trust, followers })

  started.add(applier.current.subscribe(config => spans.configure(config?.traffic.mesh.tracing?.otlpEndpoint)))

  const sources = (): StatusSources => ({
    node: settings.node,
    version,
    startedAt,
    now: clock.now(),
    draining,
    hasConfig: applier.current.value !== undefined,
    resources: (link?.held() ?? membership.held).size,
    link: link?.status.value ?? starting,
    certificates: certificates.status(),
    listeners: listeners.bound(),
    capture: capture.status(),
    dns: dns.status(),
    registrations: registrationStatus(registrations.list(), {
      connected: link?.status.value.kind === 'connected',
      workloads: applier.current.value?.workloads ?? [],
    }),
    health: prober.status(),
    stateProblems: [...state.problems, ...savers.problems()],
  })
  const metrics = createAgentMetrics(
    {
      collect: () => dataPlane.collect(),
      facts: () => {
        const now = sources()
        return {
          version,
          certificateSeconds: secondsLeft(now.certificates, now.now),
          configVersion: now.link.version,
          rejectedResources: now.link.rejected.length,
          serverConnected: now.link.kind === 'connected',
          captureRepairs: capture.repairs(),
          ready: notReadyOf(now).length === 0,
          residentBytes: process.memoryUsage.rss(),
          droppedSpans: spans.dropped(),
        }
      },
    },
    settings.metricsPrefix,
  )
  const admin = await startAdminSocket(
    {
      status: () => statusOf(sources()),
      config: () => applier.current.value,
      drain: () => void stop(),
      registrations,
    },
    settings.adminSocket,
  )
  started.add(() => admin.stop())
  const endpoints = await startPublicEndpoints(
    { metrics, notReady: () => notReadyOf(sources()) },
    { host: settings.metricsHost, metricsPort: settings.ports.metrics, readinessPort: settings.ports.readiness },
  )
  started.add(() => endpoints.stop())

  const config = agentConfigOf(membership.held)
  if (config !== undefined) {
    const rejected = await applier.apply(config)
    log.info('serving the config of the last run', { resources: membership.held.size, rejected })
  }
  link = startServerLink(
    {
      ...deps,
      signer,
      connect: signal =>
        connect(settings, trust.value, certificates.node.value, signal, {
          clock,
          connectedFrom: address => registrations.locate(ownAddress(address)),
        }),
      apply: async wanted => (frozen ? [] : applier.apply(wanted)),
      async keep(held) {
        if (!frozen) await state.saveResources(held.values())
      },
      report: report.watch,
    },
    { agentVersion: version, facts: await facts, held: membership.held },
  )
  const linked = link
  started.add(() => linked.stop())
  started.add(reconnectOnRenewal(deps, certificates.node, linked))

  function stop(): Promise<void> {
    stopping ??= end(undefined, settings.drainDeadlineMs)
    return stopping
  }
  function fail(error: MeshError): void {
    log.error('the agent cannot go on', { code: error.code, error: error.message })
    stopping ??= end(error, 0)
  }
  async function end(error: MeshError | undefined, drainMs: number): Promise<void> {
    draining = true
    log.info('the agent stops', { drainMs })
    try {
      if (error === undefined) {
        const freeze = () => {
          frozen = true
        }
        const leavingMs = await leaveMesh({ clock, registrations, link: linked, freeze }, drainMs)
        await dataPlane.drain(Math.max(0, drainMs - leavingMs))
      }
    } finally {
      await started.stop()
      ended.resolve(error)
    }
  }
  return {
    get addresses() {
      const bound = listeners.bound().flatMap(({ name, port }) => (port === undefined ? [] : [[name, `:${port}`]]))
      return { ...admin.addresses, ...endpoints.addresses, ...Object.fromEntries(bound) }
    },
    status: () => statusOf(sources()),
    stop,
    ended: ended.promise,
  }
}

async function connect(
  settings: AgentSettings,
  { roots, trustDomain }: TrustBundle,
  { key, chain }: HeldCertificate,
  signal: AbortSignal,
  more: Pick<ConnectOptions, 'clock' | 'connectedFrom'>,
) {
  const { host, transport, websocketPort, grpcPort } = settings.server
  const options = { host, roots, key, chain, trustDomain, ...more }
  if (transport === 'websocket') return connectWs({ ...options, port: websocketPort }, signal)
  // Loaded when it is used only: it is the largest library of all.
  const { connectGrpc } = await import('./control/grpc.ts')
  return connectGrpc({ ...options, port: grpcPort }, signal)
}

/** The server knows this agent by the certificate its session began with: a new one needs a new session. */
function reconnectOnRenewal(deps: AgentDeps, node: Watch<HeldCertificate>, link: ServerLink): () => void {
  let timer: Timer | undefined
  const unsubscribe = node.subscribe(() => {
    timer?.cancel()
    const delayMs = deps.random() * reconnectSpreadMs
    timer = deps.clock.timer(delayMs, () => link.reconnect('the node certificate was renewed'))
  })
  return () => {
    timer?.cancel()
    unsubscribe()
  }
}
