import { findConflicts } from '../mesh/policy/policy-conflicts.ts'
import { parseResources } from '../mesh/resources/parse.ts'
import { problemsError } from '../mesh/resources/problem.ts'
import { describeResource, type Resource } from '../mesh/resources/resource.ts'
import type { Clock } from '../mesh/std/clock.ts'
import { MeshError } from '../mesh/std/errors.ts'
import type { Log } from '../mesh/std/log.ts'
import { Watch } from '../mesh/std/watch.ts'
import type { ResourceStore, StoredResource } from './store/store.ts'

export interface AppliedResource {
  readonly kind: string
  readonly namespace: string
  readonly name: string
  readonly change: 'created' | 'updated' | 'unchanged'
}

export interface ApplyResult {
  readonly applied: readonly AppliedResource[]
}

/** Operators' resources: written whole or not at all, followed by whoever compiles from them. */
export interface Resources {
  /** Everything applied, ordered by kind, namespace and name. */
  readonly current: Watch<readonly Resource[]>
  /**
   * Creates or updates all resources of a text, or none. Throws WEFT_RESOURCE_INVALID naming every place of the text
   * that is wrong, and WEFT_RESOURCE_CONFLICT when two policies would rule the same scope.
   */
  apply(text: string, file: string, options: { readonly dryRun: boolean }): Promise<ApplyResult>
  list(): Promise<readonly StoredResource[]>
  /** Returns whether it was there. */
  remove(kind: string, namespace: string, name: string): Promise<boolean>
  stop(): void
}

export interface ResourcesDeps {
  readonly clock: Clock
  readonly log: Log
  /** Namespace whose policies hold for the whole mesh. */
  readonly rootNamespace: string
}

/** Reads what is stored; a stored document that this version cannot read is left out and logged by name. */
export async function openResources(
  store: ResourceStore,
  { clock, log, rootNamespace }: ResourcesDeps,
): Promise<Resources> {
  const read = async () => parseStored(await store.list(), log)
  const current = new Watch<readonly Resource[]>(await read())
  const refresh = async () => current.set(await read())
  const unsubscribe = store.onChange(() => {
    refresh().catch(error => log.error('resources could not be read', { error: String(error) }))
  })
  return {
    current,
    async apply(text, file, { dryRun }) {
      const { resources, problems } = parseResources(text, file)
      if (problems.length > 0) throw problemsError(problems)
      if (resources.length === 0) throw new MeshError('WEFT_RESOURCE_INVALID', `${file} has no resource`)
      refuseRepeated(resources, file)
      const before = await store.list()
      refuseConflicts(parseStored(before, log), resources, rootNamespace)
      const applied = resources.map(resource => changeOf(resource, before))
      const writes = resources.filter((_, at) => applied[at]?.change !== 'unchanged')
      if (!dryRun && writes.length > 0) await store.put(writes.map(writeOf), clock.now())
      await refresh()
      return { applied }
    },
    list: () => store.list(),
    async remove(kind, namespace, name) {
      const removed = await store.remove(kind, namespace, name)
      await refresh()
      return removed
    },
    stop: unsubscribe,
  }
}

function parseStored(stored: readonly StoredResource[], log: Log): readonly Resource[] {
  return stored.flatMap(one => {
    const { resources, problems } = parseResources(one.document, `${one.kind} ${one.namespace}/${one.name}`)
    for (const problem of problems) log.error('a stored resource is not usable', { ...problem })
    return resources
  })
}

function writeOf(resource: Resource) {
  const { namespace, name } = resource.metadata
  return { kind: resource.kind, namespace, name, document: JSON.stringify(resource) }
}

function changeOf(resource: Resource, before: readonly StoredResource[]): AppliedResource {
  const { kind, namespace, name, document } = writeOf(resource)
  const old = before.find(one => one.kind === kind && one.namespace === namespace && one.name === name)
  const change = old === undefined ? 'created' : old.document === document ? 'unchanged' : 'updated'
  return { kind, namespace, name, change }
}

function refuseRepeated(resources: readonly Resource[], file: string): void {
  const seen = new Set<string>()
  for (const resource of resources) {
    const name = describeResource(resource)
    if (seen.has(name)) throw new MeshError('WEFT_RESOURCE_CONFLICT', `${file} has ${name} twice`)
    seen.add(name)
  }
}

/** Judges the state there would be, and only what these resources bring into it. */
function refuseConflicts(before: readonly Resource[], resources: readonly Resource[], rootNamespace: string): void {
  const names = new Set(resources.map(describeResource))
  const after = [...before.filter(one => !names.has(describeResource(one))), ...resources]
  const policies = new Set(resources.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`))
  const conflict = findConflicts(after, { rootNamespace }).find(
    one => policies.has(one.policy) || (one.winner !== undefined && policies.has(one.winner)),
  )
  if (conflict !== undefined) throw new MeshError('WEFT_RESOURCE_CONFLICT', conflict.message)
}
