import {
  type NomadAllocation,
  type NomadJob,
  type NomadNode,
  type NomadObject,
  type NomadRegistration,
  recordedText,
} from './nomad-model.ts'

export type NomadTable = 'services' | 'allocations' | 'nodes' | 'jobs'

/** One event as the stream has it. */
export interface NomadEvent {
  readonly FilterKeys: readonly string[] | null
  readonly Index: number
  readonly Key: string
  readonly Namespace: string
  readonly Payload: NomadObject
  readonly Topic: 'Service' | 'Allocation' | 'Node'
  readonly Type: string
}

/** Result of one native check of an allocation. */
export interface NomadCheckResult extends NomadObject {
  readonly Check: string
  readonly Service: string
  readonly Status: string
}

/** What one entry of the log changes; all of it has one index and makes one line of the event stream. */
export interface NomadEntry {
  readonly index: number
  putAllocation(allocation: NomadAllocation, type: string): NomadAllocation
  putNode(node: NomadNode, type: string): void
  /** The node of an allocation that has changed: an event, but no new ModifyIndex. */
  touchNode(id: string): void
  putService(registration: NomadRegistration): void
  /** `type` is `ServiceDeregistration`, or `PlanResult` when the node was lost. */
  removeService(id: string, type: string): void
  putJob(job: NomadJob): void
}

interface Tables {
  readonly nodes: ReadonlyMap<string, NomadNode>
  readonly jobs: ReadonlyMap<string, NomadJob>
  readonly allocations: ReadonlyMap<string, NomadAllocation>
  readonly services: ReadonlyMap<string, NomadRegistration>
  readonly tableIndex: Readonly<Record<NomadTable, number>>
}

/** A backup of the tables; the log's index is not in it. */
export type NomadSnapshot = Tables

/** The tables of Nomad's servers with an index each, and the events that their changes send. */
export class NomadState {
  nodes = new Map<string, NomadNode>()
  jobs = new Map<string, NomadJob>()
  allocations = new Map<string, NomadAllocation>()
  services = new Map<string, NomadRegistration>()
  /** By allocation, then by check; the clients keep them, no table does. */
  readonly checks = new Map<string, Map<string, NomadCheckResult>>()
  tableIndex: Record<NomadTable, number> = { services: 1, allocations: 1, nodes: 1, jobs: 1 }
  /** What `/.well-known/jwks.json` answers. */
  jwks: unknown = JSON.parse(recordedText('identity/jwks.json'))
  /** Index of the newest entry. */
  index = 1
  readonly #watchers = new Set<(keys: ReadonlySet<string> | undefined) => void>()
  readonly #listeners = new Set<(index: number, events: readonly NomadEvent[]) => void>()

  /** Calls back with what each entry touched; with undefined after a restore, which touches everything. */
  onChange(watcher: (keys: ReadonlySet<string> | undefined) => void): () => void {
    this.#watchers.add(watcher)
    return () => void this.#watchers.delete(watcher)
  }

  onEvents(listener: (index: number, events: readonly NomadEvent[]) => void): void {
    this.#listeners.add(listener)
  }

  /** Entries that touch nothing here, such as evaluations. */
  skip(entries: number): void {
    this.index += entries
  }

  commit(change: (entry: NomadEntry) => void): void {
    this.index += 1
    const index = this.index
    const keys = new Set<string>()
    const events = { Service: [] as NomadEvent[], Allocation: [] as NomadEvent[], Node: [] as NomadEvent[] }
    const touch = (table: NomadTable, ...touched: readonly string[]) => {
      this.tableIndex[table] = index
      for (const key of [table, ...touched]) keys.add(key)
    }
    const send = (event: Omit<NomadEvent, 'Index'>) => events[event.Topic].push({ ...event, Index: index })

    const sendNode = (node: NomadNode, type: string) => {
      touch('nodes', `node:${node.ID}`)
      send({ FilterKeys: null, Key: node.ID, Namespace: '', Payload: { Node: node }, Topic: 'Node', Type: type })
    }
    const sendService = (registration: NomadRegistration, type: string) => {
      touch('services', `service:${registration.Namespace}/${registration.ServiceName}`)
      send({
        FilterKeys: [registration.JobID, registration.ServiceName],
        Key: registration.ID,
        Namespace: registration.Namespace,
        Payload: { Service: registration },
        Topic: 'Service',
        Type: type,
      })
    }

    change({
      index,
      putAllocation: (given, type) => {
        // What a client reports is no change by the scheduler, which alone can give an allocation another job.
        const AllocModifyIndex = type === 'AllocationUpdated' ? (given.AllocModifyIndex ?? index) : index
        const allocation = { ...given, CreateIndex: given.CreateIndex || index, ModifyIndex: index, AllocModifyIndex }
        this.allocations.set(allocation.ID, allocation)
        touch('allocations', `allocation:${allocation.ID}`)
        const { Job: _, ...payload } = allocation
        send({
          FilterKeys: [allocation.JobID, allocation.DeploymentID ?? ''],
          Key: allocation.ID,
          Namespace: allocation.Namespace,
          Payload: { Allocation: payload },
          Topic: 'Allocation',
          Type: type,
        })
        return allocation
      },
      putNode: (given, type) => {
        const node = { ...given, CreateIndex: given.CreateIndex || index, ModifyIndex: index }
        this.nodes.set(node.ID, node)
        sendNode(node, type)
      },
      touchNode: id => {
        const node = this.nodes.get(id)
        if (node === undefined) return
        const touched = { ...node, LastAllocUpdateIndex: index }
        this.nodes.set(id, touched)
        sendNode(touched, 'AllocationUpdated')
      },
      putService: given => {
        const registration = {
          ...given,
          CreateIndex: this.services.get(given.ID)?.CreateIndex ?? index,
          ModifyIndex: index,
        }
        this.services.set(registration.ID, registration)
        sendService(registration, 'ServiceRegistration')
      },
      removeService: (id, type) => {
        const registration = this.services.get(id)
        if (registration === undefined) return
        this.services.delete(id)
        sendService(registration, type)
      },
      putJob: given => {
        const key = `${given.Namespace}/${given.ID}`
        const created = this.jobs.get(key)?.CreateIndex ?? index
        this.jobs.set(key, { ...given, CreateIndex: created, ModifyIndex: index, JobModifyIndex: index })
        touch('jobs', `job:${key}`)
      },
    })
    const line = [...events.Service, ...events.Allocation, ...events.Node]
    if (line.length > 0) for (const listener of this.#listeners) listener(index, line)
    for (const watcher of [...this.#watchers]) watcher(keys)
  }

  snapshot(): NomadSnapshot {
    const { nodes, jobs, allocations, services, tableIndex } = this
    return {
      nodes: new Map(nodes),
      jobs: new Map(jobs),
      allocations: new Map(allocations),
      services: new Map(services),
      tableIndex: { ...tableIndex },
    }
  }

  /** Puts the tables back, and with them their indexes; sends no event. The log goes on where it was. */
  restore(snapshot: NomadSnapshot): void {
    this.nodes = new Map(snapshot.nodes)
    this.jobs = new Map(snapshot.jobs)
    this.allocations = new Map(snapshot.allocations)
    this.services = new Map(snapshot.services)
    this.tableIndex = { ...snapshot.tableIndex }
    for (const watcher of [...this.#watchers]) watcher(undefined)
  }
}
