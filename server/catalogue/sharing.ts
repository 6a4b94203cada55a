import { isDeepStrictEqual } from 'node:util'
import type { RegistrySnapshot } from '../../mesh/model/catalogue.ts'
import { serviceKey } from '../../mesh/model/service.ts'

/**
 * The newer view, made of the older one's objects wherever they say the same; the older view itself when nothing
 * changed at all. Everything behind the registries can then tell what changed by comparing references, and a registry
 * that repeats itself costs nothing further.
 */
export function sharing(before: RegistrySnapshot, after: RegistrySnapshot): RegistrySnapshot {
  const workloads = shared(before.workloads, after.workloads, workload => workload.id)
  const services = shared(before.services, after.services, serviceKey)
  const problems = isDeepStrictEqual(before.problems, after.problems) ? before.problems : after.problems
  const same = workloads === before.workloads && services === before.services && problems === before.problems
  return same ? before : { workloads, services, problems }
}

function shared<T>(before: readonly T[], after: readonly T[], keyOf: (item: T) => string): readonly T[] {
  const old = new Map(before.map(item => [keyOf(item), item]))
  const items = after.map(item => {
    const had = old.get(keyOf(item))
    return had !== undefined && isDeepStrictEqual(had, item) ? had : item
  })
  const same = items.length === before.length && items.every((item, index) => item === before[index])
  return same ? before : items
}
