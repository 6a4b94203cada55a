import { isDeepStrictEqual } from 'node:util'
import { changedKeys, type Table } from '../std/table.ts'
import type { RegistrySnapshot } from './catalogue.ts'

/**
 * The newer view, made of the older one's objects wherever they say the same; the older view itself when nothing
 * changed at all. Everything behind the registries can then tell what changed by comparing references, and a registry
 * that repeats itself costs nothing further.
 */
export function sharing(before: RegistrySnapshot | undefined, after: RegistrySnapshot): RegistrySnapshot {
  if (before === undefined) return after
  const workloads = shared(before.workloads, after.workloads)
  const services = shared(before.services, after.services)
  const problems = isDeepStrictEqual(before.problems, after.problems) ? before.problems : after.problems
  return changed(before, { workloads, services, problems })
}

/** The newer view, or the older one where its parts are the very same. */
export function changed(before: RegistrySnapshot, after: RegistrySnapshot): RegistrySnapshot {
  const { workloads, services, problems } = before
  const same = after.workloads === workloads && after.services === services && after.problems === problems
  return same ? before : after
}

/** The older table with what is really different in the newer one. */
function shared<T>(before: Table<T>, after: Table<T>): Table<T> {
  const changes: (readonly [string, T | undefined])[] = []
  for (const key of changedKeys(before, after)) {
    const now = after.get(key)
    if (!isDeepStrictEqual(before.get(key), now)) changes.push([key, now])
  }
  return before.with(changes)
}
