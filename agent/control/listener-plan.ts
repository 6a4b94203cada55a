import type { AgentConfig } from '../../mesh/model/agent-config.ts'
import { boundListenersOf } from '../../mesh/routing/bound-listeners.ts'
import { selectSidecar } from '../../mesh/routing/sidecar.ts'
import { byAge } from '../../mesh/routing/visibility.ts'
import type { AgentSettings } from '../config.ts'
import { hostPort } from '../dataplane/address.ts'
import type { BoundListener, ListenerSpec } from '../dataplane/messages.ts'
import type { PortAssignment } from './agent-state.ts'
import { callerIdentities } from './port-assignment.ts'

/** Prefix of the names of listeners that belong to one workload identity. */
const workloadListener = 'outbound/'

/** Which IPv6 addresses a host has: without any there is nothing to listen on and nothing to capture. */
export interface Ipv6Support {
  readonly any: boolean
  /** `::1`. */
  readonly loopback: boolean
}

/**
 * The sockets a config needs, for both address families: outbound on loopback only, one for callers without a workload
 * and one for each workload identity; inbound and HBONE on all addresses. Pure.
 */
export function listenersOf(
  config: AgentConfig,
  assigned: PortAssignment,
  ports: AgentSettings['ports'],
  ipv6: Ipv6Support,
): readonly ListenerSpec[] {
  const both = (
    name: string,
    role: ListenerSpec['role'],
    port: number,
    v4: string,
    v6: string | undefined,
  ): ListenerSpec[] => [
    { name: `${name}/ipv4`, role, host: v4, port },
    ...(v6 === undefined ? [] : [{ name: `${name}/ipv6`, role, host: v6, port }]),
  ]
  const outbound = (name: string, role: ListenerSpec['role'], port: number) =>
    both(name, role, port, '127.0.0.1', ipv6.loopback ? '::1' : undefined)
  const everywhere = (name: string, role: ListenerSpec['role'], port: number) =>
    both(name, role, port, '0.0.0.0', ipv6.any ? '::' : undefined)
  return [
    ...outbound('outbound-default', { kind: 'outbound' }, ports.outbound),
    ...callerIdentities(config).flatMap(identity => {
      const port = assigned.get(identity)
      const owner = config.workloads.find(workload => workload.identity === identity && workload.callers.length > 0)
      if (port === undefined || owner === undefined) return []
      return outbound(`${workloadListener}${identity}`, { kind: 'outbound', identity, workload: owner.id }, port)
    }),
    ...boundOf(config).flatMap(({ address, port }): ListenerSpec[] =>
      isOwnPort(port, ports) ? [] : [{ name: nameOf(address, port), role: { kind: 'egress' }, host: address, port }],
    ),
    ...everywhere('inbound-plaintext', { kind: 'inbound-plaintext' }, ports.inbound),
    ...everywhere('hbone', { kind: 'hbone' }, ports.hbone),
  ]
}

/** Listeners that Sidecars ask for and that cannot be: their ports are the agent's own, or may come to be. */
export function refusedListeners(config: AgentConfig, ports: AgentSettings['ports']): readonly BoundListener[] {
  return boundOf(config).flatMap(({ address, port }) =>
    isOwnPort(port, ports) ? [{ name: nameOf(address, port), error: `port ${port} is the agent's own` }] : [],
  )
}

/** How many ports from `workloadBase` on are kept for identities. */
const workloadPorts = 1024

function isOwnPort(port: number, { workloadBase, ...fixed }: AgentSettings['ports']): boolean {
  return Object.values(fixed).includes(port) || (port >= workloadBase && port < workloadBase + workloadPorts)
}

/** Prefix of the names of listeners that Sidecars ask for. */
const egressListener = 'egress/'

const nameOf = (address: string, port: number) => `${egressListener}${hostPort(address, port)}`

/** What the Sidecars of the workloads of this host ask for, each once: who may call is known by who calls. */
function boundOf({ workloads, traffic }: AgentConfig): readonly { readonly address: string; readonly port: number }[] {
  const sidecars = traffic.sidecars.toSorted(byAge)
  const all = workloads.flatMap(({ namespace, labels, callers }) =>
    callers.length === 0
      ? []
      : boundListenersOf(selectSidecar({ sidecars, world: { traffic } }, { namespace, labels })),
  )
  return [...new Map(all.map(one => [nameOf(one.address, one.port), one])).values()]
}

/** Whether a Sidecar asks for the listener of this name. */
export function isOfSidecar(name: string): boolean {
  return name.startsWith(egressListener)
}

/** Whose listener this name is; undefined for those that every host has. */
export function listenerIdentity(name: string): string | undefined {
  return name.startsWith(workloadListener) ? name.slice(workloadListener.length, name.lastIndexOf('/')) : undefined
}
