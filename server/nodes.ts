import { Watch } from '../mesh/std/watch.ts'
import type { NodeRecord, NodeStore } from './store/store.ts'

/** The hosts that have joined, in memory too: what is decided for every push must not wait for the store. */
export interface Nodes extends NodeStore {
  readonly all: Watch<ReadonlyMap<string, NodeRecord>>
}

/** Reads all nodes; everything that writes nodes must do so through the returned store. */
export async function openNodes(store: NodeStore): Promise<Nodes> {
  const known = await store.list()
  const all = new Watch<ReadonlyMap<string, NodeRecord>>(new Map(known.map(node => [node.name, node])))
  return {
    all,
    get: name => store.get(name),
    list: () => store.list(),
    async put(record) {
      await store.put(record)
      all.set(new Map([...all.value, [record.name, record]]))
    },
  }
}
