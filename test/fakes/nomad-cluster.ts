import { randomUUID } from 'node:crypto'
import { checksOf } from './nomad-checks.ts'
import { type JobSpec, jobOf } from './nomad-job.ts'
import {
  type NodeSpec,
  type NomadAllocation,
  type NomadGroup,
  type NomadJob,
  type NomadNode,
  nodeOf,
  recordedText,
} from './nomad-model.ts'
import { placePorts } from './nomad-ports.ts'
import { registrationsOf } from './nomad-registrations.ts'
import type { NomadEntry, NomadState } from './nomad-state.ts'

/** How a job is run: `inPlace` gives running allocations the new version, otherwise they are replaced. */
export interface RunOptions {
  readonly inPlace?: boolean
}

/**
 * What Nomad's scheduler and clients do, entry by entry as the recordings have it: allocations are placed, their
 * services registered, then they run; they are stopped, lost, and moved.
 */
export class NomadCluster {
  readonly state: NomadState
  readonly #specs = new Map<string, JobSpec>()
  #port = 20_000

  constructor(state: NomadState) {
    this.state = state
  }

  /** Adds a node that is ready. */
  addNode(spec: NodeSpec): NomadNode {
    const node = nodeOf(spec)
    this.state.commit(entry => entry.putNode(node, 'NodeRegistration'))
    return this.node(spec.name)
  }

  node(name: string): NomadNode {
    const found = [...this.state.nodes.values()].find(node => node.Name === name)
    if (found === undefined) throw new Error(`no node ${name}`)
    return found
  }

  /** Allocations of a job that are wanted, oldest first. */
  allocations(job: string, namespace = 'default'): readonly NomadAllocation[] {
    return this.#all(job, namespace).filter(one => one.DesiredStatus === 'run')
  }

  /**
   * Runs a job, or its next version. The first version is placed; of the next one a group with `canary` gets canaries
   * beside what runs, others are updated in place or replaced.
   */
  runJob(spec: JobSpec, { inPlace = true }: RunOptions = {}): void {
    const namespace = spec.namespace ?? 'default'
    const before = this.state.jobs.get(`${namespace}/${spec.id}`)
    const job = jobOf(spec, before === undefined ? 0 : before.Version + 1)
    this.#specs.set(`${namespace}/${spec.id}`, spec)
    this.state.commit(entry => entry.putJob(job))
    this.state.skip(1)
    for (const group of job.TaskGroups) {
      const running = this.allocations(spec.id, namespace).filter(one => one.TaskGroup === group.Name)
      const canaries = spec.groups.find(one => one.name === group.Name)?.canary ?? 0
      if (running.length === 0) this.#place(job, group, this.#countOf(job, group))
      else if (canaries > 0) this.#place(job, group, canaries, { canary: true })
      else if (inPlace) for (const one of running) this.#update(one, job)
      else {
        this.#stop(running)
        this.#place(job, group, this.#countOf(job, group))
      }
    }
  }

  /** Makes the canaries the job: they get their lasting tags in place, and what they replace stops. */
  promote(id: string, namespace = 'default'): void {
    const all = this.allocations(id, namespace)
    const canaries = all.filter(one => one.DeploymentStatus?.Canary === true)
    for (const one of canaries) {
      this.#update({ ...one, DeploymentStatus: { ...one.DeploymentStatus, Canary: false } }, one.Job)
    }
    this.#stop(all.filter(one => !canaries.includes(one)))
  }

  stopJob(id: string, namespace = 'default'): void {
    const job = this.state.jobs.get(`${namespace}/${id}`)
    if (job === undefined) throw new Error(`no job ${namespace}/${id}`)
    this.state.commit(entry => entry.putJob({ ...job, Stop: true, Status: 'dead' }))
    this.#stop(this.allocations(id, namespace))
  }

  /** A task that restarts deregisters its services and registers them again. */
  restart(allocationId: string): void {
    const allocation = this.#allocation(allocationId)
    this.deregister(allocation, 'ServiceDeregistration')
    this.register(allocation)
    this.report(allocation, {})
  }

  /** Sets the result of a check of every running allocation of a service; no event is sent and no index moves. */
  setCheck(service: string, check: string, status: 'success' | 'failure' | 'pending', output = ''): void {
    for (const allocation of this.state.allocations.values()) {
      const results = this.state.checks.get(allocation.ID)
      for (const [id, result] of results ?? []) {
        if (result.Service !== service || result.Check !== check) continue
        results?.set(id, { ...result, Status: status, Output: output })
      }
    }
  }

  /** Takes a node out of scheduling, or puts it back; what runs there stays. */
  setEligible(name: string, eligible: boolean): void {
    const SchedulingEligibility = eligible ? 'eligible' : 'ineligible'
    this.state.commit(entry => entry.putNode({ ...this.node(name), SchedulingEligibility }, 'NodeEligibility'))
  }

  register(allocation: NomadAllocation): void {
    const node = this.state.nodes.get(allocation.NodeID)
    const registrations = node === undefined ? [] : registrationsOf(allocation, node)
    if (registrations.length === 0) return
    this.state.skip(1)
    this.state.commit(entry => {
      for (const one of registrations) entry.putService(one)
    })
  }

  /** Each registration of an allocation goes in an entry of its own. */
  deregister(allocation: NomadAllocation, type: string): void {
    for (const id of this.registered(allocation)) this.state.commit(entry => entry.removeService(id, type))
  }

  registered({ ID }: NomadAllocation): readonly string[] {
    return [...this.state.services.values()].filter(one => one.AllocID === ID).map(one => one.ID)
  }

  /** What the client of its node says about an allocation. */
  report(allocation: NomadAllocation, fields: Partial<NomadAllocation>): void {
    this.state.commit(entry => {
      entry.putAllocation({ ...this.#allocation(allocation.ID), ...fields }, 'AllocationUpdated')
      entry.touchNode(allocation.NodeID)
    })
  }

  /** Stops allocations as the scheduler does when it is told to. */
  #stop(allocations: readonly NomadAllocation[]): void {
    if (allocations.length === 0) return
    this.state.commit(entry => {
      for (const one of allocations) entry.putAllocation({ ...one, ...stopped }, 'PlanResult')
    })
    this.finish(allocations)
  }

  /** What the clients do with allocations that are to stop. */
  finish(allocations: readonly NomadAllocation[]): void {
    for (const one of allocations) this.deregister(one, 'ServiceDeregistration')
    for (const one of allocations) {
      this.state.checks.delete(one.ID)
      this.report(one, { ClientStatus: 'complete', ClientDescription: 'All tasks have completed' })
    }
  }

  /** Places what is missing of every job on the nodes that can take it. */
  replaceMissing(): void {
    for (const job of [...this.state.jobs.values()]) {
      if (job.Stop === true) continue
      for (const group of job.TaskGroups) {
        const present = this.allocations(job.ID, job.Namespace).filter(one => one.TaskGroup === group.Name)
        const missing = this.#countOf(job, group) - present.length
        if (missing > 0) this.#place(job, group, missing)
      }
    }
  }

  #place(job: NomadJob, group: NomadGroup, count: number, { canary = false } = {}): void {
    const taken = new Set(this.allocations(job.ID, job.Namespace).map(one => one.NodeID))
    const free = this.#candidates(job, group).filter(node => job.Type !== 'system' || !taken.has(node.ID))
    if (free.length === 0) return
    const used = this.#all(job.ID, job.Namespace).length
    const placed: string[] = []
    this.state.commit(entry => {
      for (let at = 0; at < count; at += 1) {
        const node = free[(used + at) % free.length]
        if (node !== undefined) placed.push(this.#allocate(entry, job, group, node, used + at, canary).ID)
      }
    })
    // The client knows the address inside before it has told the servers.
    for (const id of placed) {
      const one = this.#allocation(id)
      this.register({ ...one, NetworkStatus: networkOf(one, group) })
    }
    for (const id of placed) this.#start(id, group)
  }

  #allocate(
    entry: NomadEntry,
    job: NomadJob,
    group: NomadGroup,
    node: NomadNode,
    number: number,
    canary: boolean,
  ): NomadAllocation {
    const recorded: NomadAllocation = JSON.parse(recordedText('allocation-web.json'))
    // What the node's client and the deployment say comes later.
    const { ClientDescription: _c, TaskStates: _t, NetworkStatus: _n, DeploymentStatus: _d, ...base } = recorded
    const allocation = {
      ...base,
      ...placePorts(base, group, node, () => this.#nextPort()),
      ID: randomUUID(),
      Name: `${job.ID}.${group.Name}[${number}]`,
      Namespace: job.Namespace,
      Job: job,
      JobID: job.ID,
      TaskGroup: group.Name,
      NodeID: node.ID,
      NodeName: node.Name,
      ClientStatus: 'pending',
      DesiredStatus: 'run',
      DeploymentID: canary ? randomUUID() : (base.DeploymentID ?? ''),
      ...(canary && {
        DeploymentStatus: { Canary: true, Healthy: null, ModifyIndex: 0, Timestamp: '0001-01-01T00:00:00Z' },
      }),
      CreateIndex: 0,
    }
    return entry.putAllocation(allocation, 'PlanResult')
  }

  #start(id: string, group: NomadGroup): void {
    const placed = this.#allocation(id)
    const base: NomadAllocation = JSON.parse(recordedText('allocation-web.json'))
    const states: Readonly<Record<string, unknown>> = { ...(base.TaskStates as object) }
    this.state.checks.set(id, checksOf(placed))
    this.report(placed, {
      ClientStatus: 'running',
      ClientDescription: 'Tasks are running',
      TaskStates: Object.fromEntries(group.Tasks.map(task => [task.Name, Object.values(states)[0]])),
      NetworkStatus: networkOf(placed, group),
    })
    const status = this.#allocation(id).DeploymentStatus ?? { Canary: false }
    this.report(placed, {
      DeploymentStatus: { ...status, Healthy: true, ModifyIndex: this.state.index, Timestamp: '2026-11-22T02:02:26Z' },
    })
  }

  #nextPort(): number {
    this.#port += 1
    return this.#port
  }

  #update(allocation: NomadAllocation, job: NomadJob): void {
    this.state.commit(entry => entry.putAllocation({ ...allocation, Job: job }, 'PlanResult'))
    this.register(this.#allocation(allocation.ID))
    this.report(allocation, {})
  }

  #candidates(job: NomadJob, group: NomadGroup): readonly NomadNode[] {
    const spec = this.#specs.get(`${job.Namespace}/${job.ID}`)?.groups.find(one => one.name === group.Name)
    return [...this.state.nodes.values()].filter(
      node =>
        node.Status === 'ready' &&
        node.SchedulingEligibility === 'eligible' &&
        (spec?.on === undefined || spec.on.includes(node.Name)),
    )
  }

  #countOf(job: NomadJob, group: NomadGroup): number {
    return job.Type === 'system' ? this.#candidates(job, group).length : group.Count
  }

  #all(job: string, namespace: string): readonly NomadAllocation[] {
    return [...this.state.allocations.values()].filter(one => one.JobID === job && one.Namespace === namespace)
  }

  #allocation(id: string): NomadAllocation {
    const found = this.state.allocations.get(id)
    if (found === undefined) throw new Error(`no allocation ${id}`)
    return found
  }
}

const stopped = { DesiredStatus: 'stop', DesiredDescription: 'alloc not needed due to job update' } as const

function networkOf({ ID: id }: NomadAllocation, group: NomadGroup) {
  const bridge = group.Networks?.some(network => network.Mode === 'bridge') === true
  const Address = bridge ? `172.26.64.${2 + (Number.parseInt(id.slice(0, 2), 16) % 250)}` : ''
  return { Address, AddressIPv6: '', DNS: null, InterfaceName: bridge ? 'eth0' : '' }
}
