import type { NomadCluster } from './nomad-cluster.ts'
import type { NomadAllocation, NomadGroup } from './nomad-model.ts'

/** What happens to nodes; where it takes a while, in steps. */
export class NomadNodes {
  readonly #cluster: NomadCluster
  /** Registrations that a returned client has put back for allocations that are lost. */
  readonly #ghosts = new Map<string, readonly NomadAllocation[]>()

  constructor(cluster: NomadCluster) {
    this.#cluster = cluster
  }

  /** A drain begins: the node is ineligible, its services still listed. */
  beginDrain(name: string): void {
    this.#putNode(name, 'NodeDrain', {
      Drain: true,
      DrainStrategy: { Deadline: 20_000_000_000, ForceDeadline: at, IgnoreSystemJobs: false, StartedAt: at },
      SchedulingEligibility: 'ineligible',
      LastDrain: { ...lastDrain, Status: 'draining' },
    })
  }

  /** The drain goes on to its end: allocations are moved to other nodes, or stopped. */
  finishDrain(name: string): void {
    const { state } = this.#cluster
    const moved = this.#allocationsOf(name)
    state.commit(entry => {
      for (const one of moved) {
        entry.putAllocation({ ...one, DesiredTransition: migrate }, 'AllocationUpdateDesiredStatus')
      }
    })
    state.skip(1)
    const stopping = this.#allocationsOf(name)
    state.commit(entry => {
      for (const one of stopping)
        entry.putAllocation({ ...one, DesiredStatus: 'stop', DesiredDescription: migrated }, 'PlanResult')
    })
    this.#cluster.replaceMissing()
    this.#cluster.finish(stopping)
    this.#putNode(name, 'NodeDrain', {
      Drain: false,
      DrainStrategy: null,
      LastDrain: { ...lastDrain, Status: 'complete' },
    })
  }

  drain(name: string): void {
    this.beginDrain(name)
    this.finishDrain(name)
  }

  /** Ends a drain by making the node eligible again; system jobs come back to it. */
  enable(name: string): void {
    this.#putNode(name, 'NodeDrain', { SchedulingEligibility: 'eligible' })
    this.#cluster.replaceMissing()
  }

  /**
   * The heartbeat of a node is missed: it is `down`, its allocations are lost and their registrations removed. When one
   * of them has a `disconnect` block the node is `disconnected`; those, and those of system jobs, stay as `unknown`.
   */
  lose(name: string): void {
    const { state } = this.#cluster
    const affected = this.#allocationsOf(name)
    const disconnected = affected.some(tolerates)
    this.#putNode(name, 'NodeStreamEvent', { Status: disconnected ? 'disconnected' : 'down' })
    const stays = (one: NomadAllocation) => disconnected && (tolerates(one) || one.Job.Type === 'system')
    const lost = affected.filter(one => !stays(one))
    state.skip(1)
    this.#remove(lost)
    for (const one of affected.filter(stays)) {
      state.commit(entry => entry.putAllocation({ ...one, ClientStatus: 'unknown' }, 'PlanResult'))
    }
    this.#ghosts.set(name, lost)
    this.#cluster.replaceMissing()
  }

  /** The client is back: before it hears that they are lost, it registers the services of its allocations again. */
  comeBack(name: string): void {
    const { state } = this.#cluster
    const { Status } = this.#cluster.node(name)
    this.#putNode(name, 'NodeRegistration', { Status })
    // Those of system jobs that were `unknown` are given up now.
    const givenUp = this.#allocationsOf(name).filter(one => one.ClientStatus === 'unknown' && !tolerates(one))
    this.#remove(givenUp)
    this.#ghosts.set(name, [...(this.#ghosts.get(name) ?? []), ...givenUp])
    this.#putNode(name, 'NodeStreamEvent', { Status: 'ready' })
    for (const one of this.#ghosts.get(name) ?? []) {
      const current = state.allocations.get(one.ID)
      if (current !== undefined) this.#cluster.register(current)
    }
  }

  /** Then it removes them, reports what is left, and gets new allocations. */
  settle(name: string): void {
    const ghosts = this.#ghosts.get(name) ?? []
    this.#ghosts.delete(name)
    this.#cluster.finish(ghosts)
    for (const one of this.#allocationsOf(name).filter(each => each.ClientStatus === 'unknown')) {
      this.#cluster.report(one, { ClientStatus: 'running' })
    }
    this.#cluster.replaceMissing()
  }

  return(name: string): void {
    this.comeBack(name)
    this.settle(name)
  }

  /** Allocations that are lost, with their registrations, in one entry. */
  #remove(lost: readonly NomadAllocation[]): void {
    if (lost.length === 0) return
    this.#cluster.state.commit(entry => {
      for (const one of lost) {
        for (const id of this.#cluster.registered(one)) entry.removeService(id, 'PlanResult')
        const fields = { DesiredStatus: 'stop', DesiredDescription: nodeLost, ClientStatus: 'lost' }
        entry.putAllocation({ ...one, ...fields }, 'PlanResult')
      }
    })
  }

  #putNode(name: string, type: string, fields: Readonly<Record<string, unknown>>): void {
    this.#cluster.state.commit(entry => entry.putNode({ ...this.#cluster.node(name), ...fields }, type))
  }

  #allocationsOf(name: string): readonly NomadAllocation[] {
    const { ID } = this.#cluster.node(name)
    const all = [...this.#cluster.state.allocations.values()]
    return all.filter(one => one.NodeID === ID && one.DesiredStatus === 'run')
  }
}

const at = '2026-11-22T02:07:20Z'
const lastDrain = {
  AccessorID: 'token:acls-disabled',
  Meta: { message: 'maintenance' },
  StartedAt: at,
  UpdatedAt: at,
}
const migrate = {
  ForceReschedule: null,
  Migrate: true,
  MigrateDisablePlacement: null,
  NoShutdownDelay: null,
  Reschedule: null,
}
const migrated = 'alloc is being migrated'
const nodeLost = 'alloc is lost since its node is down'

function tolerates(allocation: NomadAllocation): boolean {
  const group: NomadGroup | undefined = allocation.Job.TaskGroups.find(one => one.Name === allocation.TaskGroup)
  return group?.Disconnect !== null && group?.Disconnect !== undefined
}
