import { parseResources } from '../mesh/resources/parse.ts'
import type { Resource } from '../mesh/resources/resource.ts'
import type { Log } from '../mesh/std/log.ts'
import type { StoredResource } from './store/store.ts'

interface Read {
  readonly document: string
  readonly createdAt: number
  readonly resources: readonly Resource[]
}

/**
 * Reads stored documents, each once: checking thousands takes seconds, and a write changes few. What is the same as the
 * last time is the same object. A document that this version cannot read is left out and logged by name.
 */
export function createStoredReader(log: Log): (stored: readonly StoredResource[]) => readonly Resource[] {
  let known: ReadonlyMap<string, Read> = new Map()

  const read = (name: string, { document, createdAt: time }: StoredResource): Read => {
    const before = known.get(name)
    if (before?.document === document && before.createdAt === time) return before
    const { resources, problems } = parseResources(document, name)
    for (const problem of problems) log.error('a stored resource is not usable', { ...problem })
    return { document, createdAt: time, resources: resources.map(resource => createdAt(resource, time)) }
  }

  return stored => {
    const named = stored.map(one => [`${one.kind} ${one.namespace}/${one.name}`, one] as const)
    known = new Map(named.map(([name, one]) => [name, read(name, one)]))
    return [...known.values()].flatMap(({ resources }) => resources)
  }
}

/** The resource with a creation time; one that an operator wrote into it, as an export carries it, stays. */
export function createdAt<T extends Resource>(resource: T, time: number): T {
  const creationTimestamp = resource.metadata.creationTimestamp ?? new Date(time).toISOString()
  return { ...resource, metadata: { ...resource.metadata, creationTimestamp } }
}
