import type { AgentConfig } from '../../mesh/model/agent-config.ts'
import type { AgentSettings } from '../config.ts'
import type { ListenerSpec } from '../dataplane/messages.ts'
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
    ...everywhere('inbound-plaintext', { kind: 'inbound-plaintext' }, ports.inbound),
    ...everywhere('hbone', { kind: 'hbone' }, ports.hbone),
  ]
}

/** Whose listener this name is; undefined for those that every host has. */
export function listenerIdentity(name: string): string | undefined {
  return name.startsWith(workloadListener) ? name.slice(workloadListener.length, name.lastIndexOf('/')) : undefined
}
