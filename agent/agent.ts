import type { AgentConfig } from '../mesh/model/agent-config.ts'
import type { MeshError } from '../mesh/std/errors.ts'
import { version } from '../mesh/std/version.ts'
import { Watch } from '../mesh/std/watch.ts'
import { agentConfigOf } from '../mesh/wire/held-resources.ts'
import { refuseSecondAgent } from './admin/admin-socket.ts'
import type { AgentStatus } from './admin/status.ts'
import { createControl } from './assembly/control.ts'
import type { AgentDeps } from './assembly/deps.ts'
import { startFlows } from './assembly/flows.ts'
import { startIdentity } from './assembly/identity.ts'
import { createLifetime, type Leave, type Lifetime } from './assembly/lifetime.ts'
import { startObserving } from './assembly/observing.ts'
import { startOwnWorkloads } from './assembly/own-workloads.ts'
import { createServerConnection, reconnectOnRenewal } from './assembly/server-connection.ts'
import { startTraffic } from './assembly/traffic.ts'
import { openWorkloadApi } from './assembly/workload-api.ts'
import type { AgentSettings } from './config.ts'
import { agentState } from './control/agent-state.ts'
import { loadMembership } from './control/membership.ts'
import { startSavers } from './control/savers.ts'
import { openStateDirectory } from './control/state-directory.ts'
import { hostFacts } from './host.ts'
import { leaveMesh } from './registration/leave.ts'

/** A running agent. */
export interface Agent {
  /** `admin`, `metrics`, `readiness`, `workloadApi` where it is served, and every listener by name. */
  readonly addresses: Readonly<Record<string, string>>
  status(): AgentStatus
  /** Ends in good order: not ready, connections drained up to the deadline, capture, everything else. */
  stop(): Promise<void>
  /** Resolves when the agent has ended: by `stop`, by the admin socket, or with the error it could not go on after. */
  readonly ended: Promise<MeshError | undefined>
}

/**
 * Starts an agent from its state directory and then connects it to its server. It serves what it knows before the
 * server is heard of. Throws WEFT_NOT_JOINED, WEFT_STATE_*, WEFT_LISTEN, WEFT_CONFIG_INVALID, and WEFT_AGENT_FAILED when
 * a part ends by itself meanwhile; nothing is left running then.
 */
export async function startAgent(settings: AgentSettings, deps: AgentDeps): Promise<Agent> {
  const lifetime = createLifetime(deps.log, settings.drainDeadlineMs)
  try {
    const { agent, leave } = await assemble(settings, deps, lifetime)
    lifetime.complete(leave)
    return agent
  } catch (error) {
    throw await lifetime.abandon(error)
  }
}

interface Assembled {
  readonly agent: Agent
  readonly leave: Leave
}

/** Starts all parts, each after those that it uses; what is started last is stopped first. */
async function assemble(settings: AgentSettings, deps: AgentDeps, lifetime: Lifetime): Promise<Assembled> {
  const { clock, log } = deps
  const { started } = lifetime
  const startedAt = clock.now()
  await refuseSecondAgent(settings.adminSocket)
  const state = agentState(await openStateDirectory(settings.stateDir, deps))
  const membership = await loadMembership(state, settings.node, log)
  const facts = hostFacts(deps)
  const savers = startSavers(deps, state, started)
  const inUse = new Watch<AgentConfig | undefined>(undefined)

  const { capture, spans, dataPlane, dns } = await startTraffic({ ...deps, lifetime, inUse }, settings)
  const { signer, trust, certificates } = startIdentity({ ...deps, started, savers, dataPlane }, membership)
  const { registrations, prober, report } = await startOwnWorkloads({ ...deps, started, state, certificates }, settings)
  const followers = [prober, capture, dns]
  const { listeners, apply, keep, freeze } = createControl(
    { ...deps, started, state, savers, dataPlane, trust, certificates, followers, inUse },
    settings,
    membership,
  )
  started.add(inUse.subscribe(config => spans.configure(config?.traffic.mesh.tracing?.otlpEndpoint)))

  const flows = startFlows({ clock, log, started, dataPlane }, settings)
  const link = createServerConnection(
    { ...deps, signer, trust, node: certificates.node, registrations, apply, keep, report, ...flows },
    settings,
    { agentVersion: version, held: membership.held },
  )
  const { credentials } = certificates
  const workloadApi = await openWorkloadApi({ clock, log, started, inUse, credentials, trust }, settings)
  const observing = await startObserving(
    {
      ...deps,
      lifetime,
      inUse,
      link,
      certificates,
      trust,
      listeners,
      capture,
      dns,
      registrations,
      prober,
      state,
      savers,
      dataPlane,
      spans,
    },
    settings,
    startedAt,
  )

  const config = agentConfigOf(membership.held)
  if (config !== undefined) {
    const rejected = await apply(config)
    log.info('serving the config of the last run', { resources: membership.held.size, rejected })
  }
  link.start(await facts)
  started.add(() => link.stop())
  started.add(reconnectOnRenewal(deps, certificates.node, link))

  return {
    async leave(drainMs) {
      const leavingMs = await leaveMesh({ clock, registrations, link, freeze }, drainMs)
      await dataPlane.drain(Math.max(0, drainMs - leavingMs))
    },
    agent: {
      get addresses() {
        const bound = listeners.bound().flatMap(({ name, port }) => (port === undefined ? [] : [[name, `:${port}`]]))
        return { ...observing.addresses, ...workloadApi, ...Object.fromEntries(bound) }
      },
      status: observing.status,
      stop: lifetime.stop,
      ended: lifetime.ended,
    },
  }
}
