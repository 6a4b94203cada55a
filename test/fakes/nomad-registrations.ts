import type { NomadAllocation, NomadNode, NomadRegistration, NomadService } from './nomad-model.ts'

/**
 * What a Nomad client registers for an allocation: its group's and its tasks' services of the provider `nomad`, without
 * indexes. A canary has `CanaryTags` in place of `Tags`.
 */
export function registrationsOf(allocation: NomadAllocation, node: NomadNode): readonly NomadRegistration[] {
  const group = allocation.Job.TaskGroups.find(one => one.Name === allocation.TaskGroup)
  if (group === undefined) return []
  const owned = [
    ...(group.Services ?? []).map(service => ({ owner: `group-${group.Name}`, service })),
    ...group.Tasks.flatMap(task => (task.Services ?? []).map(service => ({ owner: task.Name, service }))),
  ]
  return owned
    .filter(({ service }) => service.Provider === 'nomad')
    .map(({ owner, service }) => registrationOf(service, owner, allocation, node))
}

function registrationOf(
  service: NomadService,
  owner: string,
  allocation: NomadAllocation,
  node: NomadNode,
): NomadRegistration {
  const { ID: id, Namespace: namespace, JobID: job } = allocation
  const fill = (text: string) =>
    text.replaceAll(/\$\{([^}]+)\}/g, (_, name: string) => variable(name, allocation, node))
  const canary = allocation.DeploymentStatus?.Canary === true && service.CanaryTags !== null
  const tags = canary ? service.CanaryTags : service.Tags
  return {
    ...placeOf(service, allocation, fill),
    AllocID: id,
    CreateIndex: 0,
    Datacenter: node.Datacenter,
    ID: `_nomad-task-${id}-${owner}-${service.Name}-${service.PortLabel}`,
    JobID: job,
    ModifyIndex: 0,
    Namespace: namespace,
    NodeID: node.ID,
    ServiceName: service.Name,
    Tags: (tags ?? []).map(fill),
  }
}

function placeOf(
  service: NomadService,
  allocation: NomadAllocation,
  fill: (text: string) => string,
): { Address: string; Port: number } {
  const ports = allocation.AllocatedResources.Shared.Ports ?? []
  const port = ports.find(one => one.Label === service.PortLabel)
  const literal = /^\d+$/.test(service.PortLabel) ? Number(service.PortLabel) : undefined
  if (service.Address !== '') return { Address: fill(service.Address), Port: port?.Value ?? literal ?? 0 }
  if (service.AddressMode === 'alloc') {
    return { Address: allocation.NetworkStatus?.Address ?? '', Port: port?.To ?? port?.Value ?? literal ?? 0 }
  }
  if (port !== undefined) return { Address: port.HostIP, Port: port.Value }
  if (literal !== undefined) return { Address: '', Port: literal }
  return { Address: ports[0]?.HostIP ?? '', Port: 0 }
}

function variable(name: string, allocation: NomadAllocation, node: NomadNode): string {
  if (name.startsWith('meta.')) return node.Meta[name.slice('meta.'.length)] ?? ''
  if (name.startsWith('attr.')) return node.Attributes[name.slice('attr.'.length)] ?? ''
  const values: Readonly<Record<string, string>> = {
    NOMAD_ALLOC_ID: allocation.ID,
    NOMAD_SHORT_ALLOC_ID: allocation.ID.slice(0, 8),
    NOMAD_JOB_NAME: allocation.JobID,
    NOMAD_GROUP_NAME: allocation.TaskGroup,
    NOMAD_NAMESPACE: allocation.Namespace,
    'node.unique.id': node.ID,
    'node.unique.name': node.Name,
    'node.datacenter': node.Datacenter,
    'node.class': node.NodeClass,
  }
  return values[name] ?? ''
}
