import type { AgentConfig } from '../../mesh/model/agent-config.ts'
import type { AgentSettings } from '../config.ts'
import type { AddressPort, CallerRoute, CapturePlan, RangePort } from '../intercept/plan.ts'
import type { PortAssignment } from './agent-state.ts'

/** What the plan takes from the settings. */
export type CaptureSettings = Pick<AgentSettings, 'ports' | 'capture'>

/**
 * What is to be captured for a config: its virtual ranges, the known addresses of mesh endpoints, the addresses and ranges
 * that services outside of the mesh declare, what reaches local workloads' ports in plaintext, and which callers belong to
 * which listener. Pure; lists are ordered and without
 * duplicates, so that equal configs give equal plans.
 */
export function capturePlanOf(config: AgentConfig, assigned: PortAssignment, settings: CaptureSettings): CapturePlan {
  const { ports, capture } = settings
  const declared = declaredOf(config)
  const ranges = uniqueRangePorts(declared.filter(({ range }) => range.includes('/')))
  const addresses = declared.filter(({ range }) => !range.includes('/'))
  return {
    virtualIpRanges: [...config.host.virtualIpRanges].sort(),
    endpoints: uniqueAddressPorts([
      ...endpointsOf(config),
      ...addresses.map(({ range: address, port }) => ({ address, port })),
    ]),
    ...(ranges.length > 0 && { ranges }),
    defaultPort: ports.outbound,
    callers: callersOf(config, assigned),
    inbound: uniqueAddressPorts(
      config.workloads.flatMap(({ address, ports: served }) => served.map(({ port }) => ({ address, port }))),
    ),
    inboundPort: ports.inbound,
    ...(capture.dns && { dnsPort: ports.dns }),
  }
}

/** Only endpoints with an identity: others are outside of the mesh and reached in plaintext anyway. */
function endpointsOf(config: AgentConfig): AddressPort[] {
  return config.services.flatMap(service =>
    service.endpoints
      .filter(endpoint => endpoint.identity !== undefined)
      .flatMap(({ address, ports }) => Object.values(ports).map(port => ({ address, port }))),
  )
}

/** By which callers know what is outside of the mesh, or has no endpoints of its own: rules hold for what is captured only. */
function declaredOf(config: AgentConfig): RangePort[] {
  return config.services
    .filter(({ external, resolution }) => external || resolution === 'none')
    .flatMap(({ addresses, ports }) => addresses.flatMap(range => ports.map(({ port }) => ({ range, port }))))
}

/** Workloads of one identity share a listener, so their callers share a route. */
function callersOf(config: AgentConfig, assigned: PortAssignment): CallerRoute[] {
  const byPort = new Map<number, CallerRoute['selectors'][number][]>()
  for (const workload of config.workloads) {
    const port = workload.identity === undefined ? undefined : assigned.get(workload.identity)
    if (port === undefined || workload.callers.length === 0) continue
    byPort.set(port, [...(byPort.get(port) ?? []), ...workload.callers])
  }
  return [...byPort].sort(([a], [b]) => a - b).map(([port, selectors]) => ({ selectors, port }))
}

function uniqueAddressPorts(list: readonly AddressPort[]): AddressPort[] {
  const unique = new Map(list.map(one => [`${one.address} ${one.port}`, one]))
  return [...unique].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one)
}

function uniqueRangePorts(list: readonly RangePort[]): RangePort[] {
  const unique = new Map(list.map(one => [`${one.range} ${one.port}`, one]))
  return [...unique].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one)
}
