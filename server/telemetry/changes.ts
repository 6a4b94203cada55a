import { changedKeys, type Table, tableOf } from '../../mesh/std/table.ts'
import type { Watch } from '../../mesh/std/watch.ts'

/** A view of a registry, or the catalogue. */
interface Tables {
  readonly services: Table<unknown>
  readonly workloads: Table<unknown>
}

const nothing: Tables = { services: tableOf(), workloads: tableOf() }

/**
 * Tells how many services and workloads came, went or changed each time a view is replaced; what is there at first
 * counts as having come, be it nothing. Costs what changed. Ends when the returned function is called.
 */
export function countChanges(
  view: Pick<Watch<Tables | undefined>, 'value' | 'subscribe'>,
  counted: (items: number) => void,
): () => void {
  let before = nothing
  const look = () => {
    const after = view.value ?? nothing
    const services = changedKeys<unknown>(before.services, after.services)
    const workloads = changedKeys<unknown>(before.workloads, after.workloads)
    before = after
    counted(services.length + workloads.length)
  }
  look()
  return view.subscribe(look)
}
