import { emptySnapshot, type RegistrySnapshot } from '../../mesh/model/catalogue.ts'
import type { Workload } from '../../mesh/model/workload.ts'
import { changedKeys } from '../../mesh/std/table.ts'
import type { Watch } from '../../mesh/std/watch.ts'

/** Where a change of the registries was, for whoever only cares about some places. */
export interface Touched {
  readonly addresses: ReadonlySet<string>
  readonly nodes: ReadonlySet<string>
}

/** The workloads of all other registries, found by address and by node. A change costs what it touches. */
export interface KnownWorkloads {
  at(address: string): Iterable<Workload>
  on(node: string): Iterable<Workload>
  /** Calls `touched` after every change until the returned function is called. */
  subscribe(touched: (where: Touched) => void): () => void
  stop(): void
}

/** Follows the views. */
export function followWorkloads(
  views: readonly { readonly snapshot: Watch<RegistrySnapshot | undefined> }[],
): KnownWorkloads {
  const byAddress = new Map<string, Map<string, Workload>>()
  const byNode = new Map<string, Map<string, Workload>>()
  const listeners = new Set<(where: Touched) => void>()

  const ends = views.map(({ snapshot }) => {
    let seen = emptySnapshot.workloads
    const take = () => {
      const next = snapshot.value?.workloads ?? emptySnapshot.workloads
      const where = { addresses: new Set<string>(), nodes: new Set<string>() }
      for (const id of changedKeys(seen, next)) {
        const [had, has] = [seen.get(id), next.get(id)]
        for (const workload of [had, has]) {
          if (workload === undefined) continue
          where.addresses.add(workload.address)
          if (workload.node !== undefined) where.nodes.add(workload.node)
        }
        replace(byAddress, id, had, has, ({ address }) => address)
        replace(byNode, id, had, has, ({ node }) => node)
      }
      seen = next
      if (where.addresses.size > 0) for (const listener of [...listeners]) listener(where)
    }
    take()
    return snapshot.subscribe(take)
  })
  return {
    at: address => byAddress.get(address)?.values() ?? [],
    on: node => byNode.get(node)?.values() ?? [],
    subscribe(touched) {
      const listener = (where: Touched) => touched(where)
      listeners.add(listener)
      return () => {
        listeners.delete(listener)
      }
    },
    stop() {
      for (const end of ends) end()
    },
  }
}

function replace(
  index: Map<string, Map<string, Workload>>,
  id: string,
  had: Workload | undefined,
  has: Workload | undefined,
  placeOf: (workload: Workload) => string | undefined,
): void {
  const before = had === undefined ? undefined : placeOf(had)
  if (before !== undefined) {
    const others = index.get(before)
    others?.delete(id)
    if (others?.size === 0) index.delete(before)
  }
  const place = has === undefined ? undefined : placeOf(has)
  if (has === undefined || place === undefined) return
  const others = index.get(place)
  if (others === undefined) index.set(place, new Map([[id, has]]))
  else others.set(id, has)
}
