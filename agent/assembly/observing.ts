import type { TrustBundle } from '../../mesh/identity/trust-bundle.ts'
import type { AgentConfig } from '../../mesh/model/agent-config.ts'
import { version } from '../../mesh/std/version.ts'
import type { Watch } from '../../mesh/std/watch.ts'
import { startAdminSocket } from '../admin/admin-socket.ts'
import { startPublicEndpoints } from '../admin/public-endpoints.ts'
import type { AgentStatus } from '../admin/status.ts'
import { notReadyOf, type StatusSources, secondsLeft, statusOf } from '../admin/status-of.ts'
import type { AgentSettings } from '../config.ts'
import type { AgentState } from '../control/agent-state.ts'
import type { CaptureFollower } from '../control/capture-follower.ts'
import type { DnsFollower } from '../control/dns-follower.ts'
import type { ListenerSet } from '../control/listener-set.ts'
import type { startSavers } from '../control/savers.ts'
import type { ServerLink } from '../control/server-link.ts'
import type { DataPlane } from '../dataplane/dataplane.ts'
import type { Prober } from '../health/prober.ts'
import type { Certificates } from '../identity/certificates.ts'
import type { Registrations } from '../registration/registrations.ts'
import { registrationStatus } from '../registration/status.ts'
import { type AgentFacts, createAgentMetrics } from '../telemetry/metrics.ts'
import type { SpanExporter } from '../telemetry/otlp.ts'
import type { AgentDeps } from './deps.ts'
import type { Lifetime } from './lifetime.ts'

/** The parts that have something to say. */
export interface ObservingDeps extends Pick<AgentDeps, 'clock' | 'log'> {
  readonly lifetime: Lifetime
  readonly inUse: Watch<AgentConfig | undefined>
  readonly link: Pick<ServerLink, 'status' | 'held'>
  readonly certificates: Pick<Certificates, 'status' | 'credentials'>
  readonly trust: Watch<TrustBundle>
  readonly listeners: Pick<ListenerSet, 'bound'>
  readonly capture: Pick<CaptureFollower, 'status' | 'repairs'>
  readonly dns: Pick<DnsFollower, 'status'>
  readonly registrations: Registrations
  readonly prober: Pick<Prober, 'status'>
  readonly state: Pick<AgentState, 'problems'>
  readonly savers: Pick<ReturnType<typeof startSavers>, 'problems'>
  readonly dataPlane: Pick<DataPlane, 'collect'>
  readonly spans: Pick<SpanExporter, 'dropped'>
}

/** Opens what the agent is watched by: the admin socket, which may end it, metrics, readiness. Throws WEFT_LISTEN. */
export async function startObserving(deps: ObservingDeps, settings: AgentSettings, startedAt: number) {
  const { inUse, lifetime, registrations, trust } = deps
  const { credentials } = deps.certificates
  const { started } = lifetime
  const sources = () => sourcesOf(deps, settings.node, startedAt)
  const status = (): AgentStatus => statusOf(sources())
  const metrics = createAgentMetrics(
    { collect: () => deps.dataPlane.collect(), facts: () => factsOf(deps, sources()) },
    settings.metricsPrefix,
  )
  const admin = await startAdminSocket(
    { status, config: () => inUse.value, drain: () => lifetime.drain(), registrations, credentials, trust },
    settings.adminSocket,
  )
  started.add(() => admin.stop())
  const endpoints = await startPublicEndpoints(
    { metrics, notReady: () => notReadyOf(sources()) },
    { host: settings.metricsHost, metricsPort: settings.ports.metrics, readinessPort: settings.ports.readiness },
  )
  started.add(() => endpoints.stop())
  return { status, addresses: { ...admin.addresses, ...endpoints.addresses } }
}

function sourcesOf(deps: ObservingDeps, node: string, startedAt: number): StatusSources {
  const { inUse, link, registrations } = deps
  return {
    node,
    version,
    startedAt,
    now: deps.clock.now(),
    draining: deps.lifetime.isEnding(),
    hasConfig: inUse.value !== undefined,
    resources: link.held().size,
    link: link.status.value,
    certificates: deps.certificates.status(),
    listeners: deps.listeners.bound(),
    capture: deps.capture.status(),
    dns: deps.dns.status(),
    registrations: registrationStatus(registrations.list(), {
      connected: link.status.value.kind === 'connected',
      workloads: inUse.value?.workloads ?? [],
    }),
    health: deps.prober.status(),
    stateProblems: [...deps.state.problems, ...deps.savers.problems()],
  }
}

function factsOf({ capture, spans }: ObservingDeps, now: StatusSources): AgentFacts {
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
}
