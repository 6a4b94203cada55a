import type { NomadAllocation, NomadNode, NomadRegistration } from './nomad-model.ts'
import type { NomadState } from './nomad-state.ts'

/** `/v1/services`: names with the union of their tags; all namespaces for `*`. The order is not to be relied on. */
export function serviceList(state: NomadState, namespace: string) {
  const namespaces = new Map<string, Map<string, Set<string>>>()
  for (const one of state.services.values()) {
    if (namespace !== '*' && one.Namespace !== namespace) continue
    const services = getOr(namespaces, one.Namespace, () => new Map<string, Set<string>>())
    const tags = getOr(services, one.ServiceName, () => new Set<string>())
    for (const tag of one.Tags) tags.add(tag)
  }
  return [...namespaces].map(([Namespace, services]) => ({
    Namespace,
    // As with maps of Go, another order than that of registration.
    Services: [...services].reverse().map(([ServiceName, tags]) => ({ ServiceName, Tags: [...tags] })),
  }))
}

/** `/v1/service/:name`; `*` is no namespace here. */
export function serviceInstances(state: NomadState, name: string, namespace: string): readonly NomadRegistration[] {
  return [...state.services.values()]
    .filter(one => one.ServiceName === name && one.Namespace === namespace)
    .sort((a, b) => (a.ID < b.ID ? -1 : 1))
}

/** `/v1/allocation/:id/services`. */
export function allocationServices(state: NomadState, id: string): readonly NomadRegistration[] {
  return [...state.services.values()].filter(one => one.AllocID === id).sort((a, b) => (a.ID < b.ID ? -1 : 1))
}

/** `/v1/allocations`: stubs in order of creation. */
export function allocationList(state: NomadState, namespace: string, options: { resources: boolean; states: boolean }) {
  return [...state.allocations.values()]
    .filter(one => namespace === '*' || one.Namespace === namespace)
    .sort((a, b) => a.CreateIndex - b.CreateIndex || (a.ID < b.ID ? -1 : 1))
    .map(one => allocationStub(one, options))
}

const noTransition = {
  ForceReschedule: null,
  Migrate: null,
  MigrateDisablePlacement: null,
  NoShutdownDelay: null,
  Reschedule: null,
}

function allocationStub(allocation: NomadAllocation, { resources, states }: { resources: boolean; states: boolean }) {
  const { Job: job } = allocation
  return {
    ...(resources && { AllocatedResources: allocation.AllocatedResources }),
    ClientDescription: allocation.ClientDescription ?? '',
    ClientStatus: allocation.ClientStatus,
    CreateIndex: allocation.CreateIndex,
    CreateTime: allocation.CreateTime,
    DeploymentStatus: allocation.DeploymentStatus ?? null,
    DesiredDescription: allocation.DesiredDescription ?? '',
    DesiredStatus: allocation.DesiredStatus,
    DesiredTransition: { ...noTransition, ...objectOf(allocation.DesiredTransition) },
    EvalID: allocation.EvalID,
    FollowupEvalID: allocation.FollowupEvalID ?? '',
    ID: allocation.ID,
    JobID: allocation.JobID,
    JobType: job.Type,
    JobVersion: job.Version,
    ModifyIndex: allocation.ModifyIndex,
    ModifyTime: allocation.ModifyTime,
    Name: allocation.Name,
    Namespace: allocation.Namespace,
    NextAllocation: allocation.NextAllocation ?? '',
    NodeID: allocation.NodeID,
    NodeName: allocation.NodeName,
    PreemptedAllocations: null,
    PreemptedByAllocation: '',
    RescheduleTracker: allocation.RescheduleTracker ?? null,
    TaskGroup: allocation.TaskGroup,
    TaskStates: states ? (allocation.TaskStates ?? null) : null,
  }
}

/** `/v1/nodes`: stubs by ID. */
export function nodeList(state: NomadState) {
  return [...state.nodes.values()].sort((a, b) => (a.ID < b.ID ? -1 : 1)).map(nodeStub)
}

function nodeStub(node: NomadNode) {
  return {
    Address: node.HTTPAddr.replace(/:\d+$/, ''),
    CreateIndex: node.CreateIndex,
    Datacenter: node.Datacenter,
    Drain: node.DrainStrategy !== null,
    Drivers: node.Drivers,
    HostVolumes: node.HostVolumes,
    ID: node.ID,
    LastDrain: node.LastDrain,
    ModifyIndex: node.ModifyIndex,
    Name: node.Name,
    NodeClass: node.NodeClass,
    NodePool: node.NodePool,
    SchedulingEligibility: node.SchedulingEligibility,
    Status: node.Status,
    StatusDescription: node.StatusDescription,
    Version: node.Attributes['nomad.version'] ?? '',
  }
}

function objectOf(value: unknown): object {
  return typeof value === 'object' && value !== null ? value : {}
}

function getOr<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const found = map.get(key) ?? make()
  map.set(key, found)
  return found
}
