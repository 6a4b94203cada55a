import type { AnalyzedWorkload, KnownService } from '../mesh/analyze/finding.ts'
import { type FindingView, type PlacedFinding, viewOf } from '../mesh/analyze/finding-view.ts'
import { findConflicts, type KnownWorkload } from '../mesh/policy/policy-conflicts.ts'
import { parseSources } from '../mesh/resources/parse.ts'
import { problemsError } from '../mesh/resources/problem.ts'
import { describeResource, type Resource } from '../mesh/resources/resource.ts'
import { entryLabels } from '../mesh/resources/workload-to-model.ts'
import type { Clock } from '../mesh/std/clock.ts'
import { MeshError } from '../mesh/std/errors.ts'
import type { Log } from '../mesh/std/log.ts'
import { Watch } from '../mesh/std/watch.ts'
import { findMergeConflicts, type MergeScope, mergeFindings } from './catalogue/merge-check.ts'
import { type FindingScope, findingsOf, judgeWritten } from './resource-findings.ts'
import { auditedWrite, type ResourceWriter, refuseOutdated, withoutVersion, writeNeed } from './resource-writes.ts'
import type { ResourceStore, StoredResource } from './store/store.ts'
import { createdAt, createStoredReader } from './stored-resources.ts'

export interface AppliedResource {
  readonly kind: string
  readonly namespace: string
  readonly name: string
  readonly change: 'created' | 'updated' | 'unchanged'
}

export interface ApplyResult {
  readonly applied: readonly AppliedResource[]
  /** What there is to say of the resources all the same, at its place in the text. */
  readonly warnings: readonly PlacedFinding[]
}

export interface ApplyOptions {
  /** Says what would be done, and does nothing. */
  readonly dryRun: boolean
  /** Overwrites versions that the text was not made from. */
  readonly force?: boolean
  /** Nobody in particular when left out: then nothing is judged or noted. */
  readonly by?: ResourceWriter
}

/** What a change is to be made of, and what there would be after it. */
export interface ResourcePreview {
  readonly before: readonly Resource[]
  readonly after: readonly Resource[]
}

/** What a change of one resource comes to. */
export interface PlannedChange<T> {
  /** As it shall be; absent leaves everything as it is. */
  readonly resource?: Resource
  readonly result: T
}

/** Operators' resources: written whole or not at all, followed by whoever compiles from them. */
export interface Resources {
  /**
   * Everything applied, ordered by kind, namespace and name. What was written without a creation time has that of its
   * first write: it decides which of two policies holds.
   */
  readonly current: Watch<readonly Resource[]>
  /**
   * Creates or updates all resources of a text, or none. Throws WEFT_RESOURCE_INVALID naming every place of the text
   * that is wrong, and WEFT_RESOURCE_CONFLICT, naming both, when two policies would rule the same scope or workload,
   * two merge rules the same service, or two traffic resources of a namespace the same host, and when a resource says by
   * its `metadata.resourceVersion` that it was read before somebody else wrote it. WEFT_FORBIDDEN when the writer may not
   * write one of them: then none is written.
   */
  apply(text: string, file: string, options: ApplyOptions): Promise<ApplyResult>
  /**
   * Lets `plan` see everything and say what one resource shall be, and writes that; nobody writes in between. What
   * `plan` throws is thrown on with nothing written. Throws WEFT_RESOURCE_CONFLICT as {@link apply} does, and when the
   * store holds a newer version than the one that was planned with.
   */
  change<T>(plan: (before: readonly Resource[]) => PlannedChange<T>, by?: ResourceWriter): Promise<T>
  /**
   * Everything as it is, and as it would be with a text applied and resources (`Kind/namespace/name`) deleted. Throws
   * WEFT_RESOURCE_INVALID, and WEFT_NOT_FOUND for one to be deleted that is not there.
   */
  preview(text: string, file: string, deleted: readonly string[]): ResourcePreview
  list(): Promise<readonly StoredResource[]>
  /** What there is to say of everything applied, errors first. */
  findings(): readonly FindingView[]
  /** Returns whether it was there. Throws WEFT_FORBIDDEN. */
  remove(kind: string, namespace: string, name: string, by?: ResourceWriter): Promise<boolean>
  stop(): void
}

export interface ResourcesDeps {
  readonly clock: Clock
  readonly log: Log
  /** Namespace whose policies hold for the whole mesh. */
  readonly rootNamespace: string
  /** Names of all registries, which resources may name. */
  readonly registries: readonly string[]
  /** All workloads known now, to see whether two policies select the same one. */
  workloads(): Iterable<KnownWorkload>
  /** What follows `<name>.<namespace>.` in the names of services; `mesh` when nothing is said. */
  readonly domain?: string
  /** All services known now, to see whether references lead anywhere; undefined while nobody knows. */
  services?(): readonly KnownService[] | undefined
  /** All workloads known now, to see whom policies choose; undefined while nobody knows. */
  targets?(): readonly AnalyzedWorkload[] | undefined
  readonly trustDomain?: string
}

/** Reads what is stored; a stored document that this version cannot read is left out and logged by name. */
export async function openResources(
  store: ResourceStore,
  { clock, log, rootNamespace, registries, workloads, domain = 'mesh', services, targets, trustDomain }: ResourcesDeps,
): Promise<Resources> {
  const parseStored = createStoredReader(log)
  const read = async () => parseStored(await store.list())
  const current = new Watch<readonly Resource[]>(await read())
  const refresh = async () => current.set(await read())
  const unsubscribe = store.onChange(() => {
    refresh().catch(error => log.error('resources could not be read', { error: String(error) }))
  })
  const oneAtATime = createQueue()
  const scope: MergeScope = { registries, rootNamespace }
  const findingScope: FindingScope = {
    rootNamespace,
    domain,
    trustDomain,
    services: () => services?.(),
    workloads: () => targets?.(),
    now: () => clock.now(),
  }
  return {
    current,
    apply: (text, file, { dryRun, force = false, by }) =>
      oneAtATime(async () => {
        const { resources: read, problems } = parseSources(text, file, resource => mergeFindings(resource, scope))
        if (problems.length > 0) throw problemsError(problems)
        const sourced = read.map(({ resource, source }) => ({ resource: withoutVersion(resource), source }))
        const resources = sourced.map(({ resource }) => resource)
        if (resources.length === 0) throw new MeshError('WEFT_RESOURCE_INVALID', `${file} has no resource`)
        refuseRepeated(resources, file)
        for (const resource of resources) by?.demand(writeNeed(writeOf(resource)))
        const before = await store.list()
        const old = (resource: Resource) => findStored(before, writeOf(resource))
        if (!force) for (const { resource } of read) refuseOutdated(resource, old(resource))
        const after = stateAfter(parseStored(before), resources, clock.now())
        refuseConflicts(after, resources, { rootNamespace, workloads: [...workloads()] })
        refuseMergeConflicts(after, resources, scope)
        const warnings = judgeWritten(after, sourced, findingScope)
        const applied = resources.map(resource => changeOf(resource, before))
        const writes = resources.filter((_, at) => applied[at]?.change !== 'unchanged')
        if (dryRun || writes.length === 0) by?.wroteNothing()
        else {
          // what was judged by must be what is written over, whoever else writes to the store
          const expecting = writes.map(one => ({ ...writeOf(one), expectedVersion: old(one)?.version ?? 0 }))
          await store.put(expecting, clock.now(), by?.name)
          for (const write of expecting)
            by?.wrote(auditedWrite(write, findStored(before, write)?.document, write.document))
        }
        await refresh()
        return { applied, warnings }
      }),
    change: (plan, by) =>
      oneAtATime(async () => {
        const stored = await store.list()
        const before = parseStored(stored)
        const { resource, result } = plan(before)
        if (resource === undefined) {
          by?.wroteNothing()
          return result
        }
        by?.demand(writeNeed(writeOf(resource)))
        refuseMergeConflicts(stateAfter(before, [resource], clock.now()), [resource], scope)
        const old = findStored(stored, writeOf(resource))
        const write = writeOf(old === undefined ? resource : withoutGivenTime(resource, old))
        await store.put([{ ...write, expectedVersion: old?.version ?? 0 }], clock.now(), by?.name)
        by?.wrote(auditedWrite(write, old?.document, write.document))
        await refresh()
        return result
      }),
    preview(text, file, deleted) {
      const { resources: read, problems } = parseSources(text, file, resource => mergeFindings(resource, scope))
      if (problems.length > 0) throw problemsError(problems)
      const before = current.value
      const named = new Map(before.map(one => [`${one.kind}/${one.metadata.namespace}/${one.metadata.name}`, one]))
      const missing = [...new Set(deleted)].find(name => !named.delete(name))
      if (missing !== undefined) throw new MeshError('WEFT_NOT_FOUND', `there is no ${missing}`)
      const left = [...named.values()]
      const written = read.map(({ resource }) => withoutVersion(resource))
      return { before, after: stateAfter(left, written, clock.now()) }
    },
    list: () => store.list(),
    findings: () => findingsOf(current.value, findingScope).map(viewOf),
    remove: (kind, namespace, name, by) =>
      oneAtATime(async () => {
        by?.demand(writeNeed({ kind, namespace }))
        const old = findStored(await store.list(), { kind, namespace, name })
        const removed = await store.remove(kind, namespace, name)
        if (removed) by?.wrote(auditedWrite({ kind, namespace, name }, old?.document, undefined))
        await refresh()
        return removed
      }),
    stop: unsubscribe,
  }
}

/** Runs tasks one after the other: what one judges by must not change before it has written. */
function createQueue(): <T>(task: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve()
  return task => {
    const mine = last.then(task)
    last = mine.catch(() => {})
    return mine
  }
}

/** Takes back what {@link createdAt} has added, so that only what somebody wrote is stored. */
function withoutGivenTime<T extends Resource>(resource: T, stored: StoredResource): T {
  const { creationTimestamp, ...metadata } = resource.metadata
  return creationTimestamp === new Date(stored.createdAt).toISOString() ? { ...resource, metadata } : resource
}

function writeOf(resource: Resource) {
  const { namespace, name } = resource.metadata
  return { kind: resource.kind, namespace, name, document: JSON.stringify(resource) }
}

function findStored(
  stored: readonly StoredResource[],
  { kind, namespace, name }: Pick<StoredResource, 'kind' | 'namespace' | 'name'>,
): StoredResource | undefined {
  return stored.find(one => one.kind === kind && one.namespace === namespace && one.name === name)
}

function changeOf(resource: Resource, before: readonly StoredResource[]): AppliedResource {
  const { kind, namespace, name, document } = writeOf(resource)
  const old = findStored(before, { kind, namespace, name })
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

/** What there would be after the write; an update keeps the creation time of what it replaces. */
function stateAfter(before: readonly Resource[], written: readonly Resource[], now: number): readonly Resource[] {
  const old = new Map(before.map(resource => [describeResource(resource), resource]))
  const time = (resource: Resource) => Date.parse(old.get(describeResource(resource))?.metadata.creationTimestamp ?? '')
  const names = new Set(written.map(describeResource))
  return [
    ...before.filter(one => !names.has(describeResource(one))),
    ...written.map(resource => createdAt(resource, time(resource) || now)),
  ]
}

/** Judges the state there would be, and only what the written policies bring into it. */
function refuseConflicts(
  after: readonly Resource[],
  written: readonly Resource[],
  known: { readonly rootNamespace: string; readonly workloads: readonly KnownWorkload[] },
): void {
  const policies = new Set(
    written
      .filter(({ kind }) => kind === 'PeerAuthentication')
      .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`),
  )
  // entries of the same file are not in the catalogue yet
  const entries = after
    .filter(resource => resource.kind === 'WorkloadEntry')
    .map(entry => ({ ...entry.metadata, labels: entryLabels(entry) }))
  const conflict = findConflicts(after, known, [...known.workloads, ...entries]).find(
    one => policies.has(one.policy) || (one.winner !== undefined && policies.has(one.winner)),
  )
  if (conflict === undefined) return
  throw new MeshError('WEFT_RESOURCE_CONFLICT', conflict.message, {
    fields: { policy: conflict.policy, ...(conflict.winner !== undefined && { winner: conflict.winner }) },
    next:
      conflict.winner === undefined
        ? 'take the selector out or move it to the workloads’ own namespace'
        : 'change one of the two, or delete it first; nothing was applied',
  })
}

function refuseMergeConflicts(after: readonly Resource[], written: readonly Resource[], scope: MergeScope): void {
  const names = new Set(written.map(describeResource))
  const conflict = findMergeConflicts(after, scope.rootNamespace).find(({ resources }) => {
    return resources.some(name => names.has(name))
  })
  if (conflict === undefined) return
  throw new MeshError('WEFT_RESOURCE_CONFLICT', conflict.message, {
    fields: { resources: conflict.resources },
    next: 'change one of the two, or delete it first; nothing was applied',
  })
}
