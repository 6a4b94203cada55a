import type { NomadAllocation, NomadGroup, NomadNode, NomadObject } from './nomad-model.ts'

/** Gives the ports of a group their numbers on a node. */
export function placePorts(
  base: NomadAllocation,
  group: NomadGroup,
  node: NomadNode,
  nextPort: () => number,
): Pick<NomadAllocation, 'AllocatedResources'> {
  const ports = (group.Networks ?? []).flatMap(network => [
    ...listOf(network.DynamicPorts),
    ...listOf(network.ReservedPorts),
  ])
  const host = node.HTTPAddr.replace(/:\d+$/, '')
  const placed = ports.map(port => {
    const { CIDR = host } = node.HostNetworks[String(port.HostNetwork)] ?? {}
    const to = typeof port.To === 'number' ? { To: port.To } : {}
    const value = typeof port.Value === 'number' ? port.Value : nextPort()
    return { HostIP: CIDR.replace(/\/\d+$/, ''), Label: String(port.Label), ...to, Value: value }
  })
  const { Shared: shared } = base.AllocatedResources
  return { AllocatedResources: { ...base.AllocatedResources, Shared: { ...shared, Ports: placed } } }
}

function listOf(value: unknown): readonly NomadObject[] {
  return Array.isArray(value) ? value : []
}
