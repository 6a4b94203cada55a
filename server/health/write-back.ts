import { type CatalogueSnapshot, type CatalogueWorkload, emptySnapshot } from '../../mesh/model/catalogue.ts'
import { changedKeys, type Table } from '../../mesh/std/table.ts'
import type { Watch } from '../../mesh/std/watch.ts'

/** Somebody who wants to know what the mesh's own checks find, such as a registry. */
export interface HealthWriter {
  /** Says how a workload is, by its id; undefined takes back what was said. */
  set(workload: string, health: { readonly healthy: boolean; readonly reason: string } | undefined): void
  stop(): Promise<void>
}

/**
 * Tells registries how the mesh's own checks find their workloads: each writer hears of the workloads of the registry
 * of its name, and only what was really checked, never what the registry said itself or what is merely held.
 */
export function startHealthWriteBack(
  catalogue: Watch<CatalogueSnapshot>,
  writers: ReadonlyMap<string, HealthWriter>,
): { stop(): Promise<void> } {
  let seen: Table<CatalogueWorkload> | undefined
  const said = new Set<string>()
  const tell = ({ workloads }: CatalogueSnapshot) => {
    for (const id of changedKeys<unknown>(seen ?? emptySnapshot.workloads, workloads)) {
      const workload = workloads.get(id) ?? seen?.get(id)
      const writer = writers.get(workload?.registry ?? '')
      if (writer === undefined) continue
      const now = workloads.get(id)
      if (now?.healthFrom === 'probe' && !now.held) {
        said.add(id)
        writer.set(id, { healthy: now.health === 'healthy', reason: now.healthReason ?? '' })
      } else if (said.delete(id)) writer.set(id, undefined)
    }
    seen = workloads
  }
  const unsubscribe = catalogue.subscribe(tell)
  tell(catalogue.value)
  return {
    async stop() {
      unsubscribe()
      await Promise.all([...writers.values()].map(writer => writer.stop()))
    },
  }
}
