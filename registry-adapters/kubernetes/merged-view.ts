import { isDeepStrictEqual } from 'node:util'
import type { RegistrySnapshot } from '../../mesh/model/catalogue.ts'
import { changedKeys, type Table } from '../../mesh/std/table.ts'

/** A view, and what it was merged of. */
export interface Merged {
  readonly cluster: RegistrySnapshot
  readonly istio: RegistrySnapshot
  readonly view: RegistrySnapshot
}

/**
 * Lays Istio's services beside the cluster's own, which count where both have one of the same name. The ids of their
 * workloads are different. Costs what has changed since the last merge; the same view when nothing that shows has.
 */
export function mergeViews(cluster: RegistrySnapshot, istio: RegistrySnapshot, before: Merged | undefined): Merged {
  if (before?.cluster === cluster && before.istio === istio) return before
  const hidden = [...istio.services.keys()].filter(key => cluster.services.has(key))
  const problems = [
    ...cluster.problems,
    ...istio.problems,
    ...hidden.map(key => ({ item: `ServiceEntry ${key}`, reason: 'there is a Service of that name, which is used' })),
  ]
  const view = {
    services: overlay(cluster.services, istio.services, partsOf(before, 'services')),
    workloads: overlay(cluster.workloads, istio.workloads, partsOf(before, 'workloads')),
    problems: isDeepStrictEqual(before?.view.problems, problems) ? (before?.view.problems ?? []) : problems,
  }
  return { cluster, istio, view: before !== undefined && same(before.view, view) ? before.view : view }
}

interface Parts<T> {
  readonly above: Table<T>
  readonly below: Table<T>
  readonly merged: Table<T>
}

function partsOf<Part extends 'services' | 'workloads'>(before: Merged | undefined, part: Part) {
  if (before === undefined) return undefined
  return { above: before.cluster[part], below: before.istio[part], merged: before.view[part] }
}

function overlay<T>(above: Table<T>, below: Table<T>, before: Parts<T> | undefined): Table<T> {
  if (before === undefined) return below.size === 0 ? above : below.with(above)
  const keys = new Set([...changedKeys(before.above, above), ...changedKeys(before.below, below)])
  return before.merged.with([...keys].map(key => [key, above.get(key) ?? below.get(key)]))
}

function same(a: RegistrySnapshot, b: RegistrySnapshot): boolean {
  return a.services === b.services && a.workloads === b.workloads && a.problems === b.problems
}
