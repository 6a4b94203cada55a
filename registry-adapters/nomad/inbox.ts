import { isObject, number, objectOf } from '../json.ts'
import {
  type NomadAllocation,
  type NomadNode,
  type NomadServiceName,
  parseAllocation,
  parseNode,
  parseRegistration,
} from './answers.ts'
import { nomadServiceKey } from './cluster.ts'

/** What events have said since they were last taken. */
export interface Changes {
  /** Services to be read again, by key, as of this index at least. */
  readonly services: Map<string, { readonly name: NomadServiceName; readonly index: number }>
  /** The newest of each allocation, and when the scheduler last changed it: only then its job can be another. */
  readonly allocations: Map<string, { readonly allocation: NomadAllocation; readonly scheduledIndex: number }>
  readonly nodes: Map<string, NomadNode>
}

/** Collects events: at most one entry for each thing there is, however many come. */
export interface Inbox {
  add(events: readonly unknown[]): void
  take(): Changes
}

/** An empty inbox; `reads` tells which namespaces are of interest. */
export function createInbox(reads: (namespace: string) => boolean): Inbox {
  let changes = noChanges()

  /**
   * An event of a service only says where to look: its type does not tell a registration from a removal, and its
   * payload may be the registration as it was before that.
   */
  function addService(payload: unknown, index: number): void {
    if (!isObject(payload)) return
    const { namespace, service } = parseRegistration(payload)
    if (service === '' || !reads(namespace)) return
    const name = { namespace, service }
    const key = nomadServiceKey(name)
    changes.services.set(key, { name, index: Math.max(index, changes.services.get(key)?.index ?? 0) })
  }

  function addAllocation(payload: unknown): void {
    if (!isObject(payload)) return
    const allocation = parseAllocation(payload)
    const before = changes.allocations.get(allocation.id)?.allocation.modifyIndex ?? -1
    if (!reads(allocation.namespace) || allocation.modifyIndex <= before) return
    changes.allocations.set(allocation.id, { allocation, scheduledIndex: number(payload.AllocModifyIndex, 0) })
  }

  function addNode(payload: unknown): void {
    if (!isObject(payload)) return
    const node = parseNode(payload)
    if (node.modifyIndex >= (changes.nodes.get(node.id)?.modifyIndex ?? -1)) changes.nodes.set(node.id, node)
  }

  return {
    add(events) {
      for (const event of events.map(objectOf)) {
        const payload = objectOf(event.Payload)
        if (event.Topic === 'Service') addService(payload.Service, number(event.Index, 0))
        else if (event.Topic === 'Allocation') addAllocation(payload.Allocation)
        else if (event.Topic === 'Node') addNode(payload.Node)
      }
    },
    take() {
      const taken = changes
      changes = noChanges()
      return taken
    },
  }
}

function noChanges(): Changes {
  return { services: new Map(), allocations: new Map(), nodes: new Map() }
}
