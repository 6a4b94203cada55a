import { resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { RegistryProblem, RegistrySnapshot } from '../../mesh/model/catalogue.ts'
import { sharing } from '../../mesh/model/sharing.ts'
import { describeError, MeshError } from '../../mesh/std/errors.ts'
import type { AdapterDeps, AdapterHealth, RegistryAdapter } from '../adapter.ts'
import { createDirectoryChanges } from './directory-changes.ts'
import { mergeFiles } from './merge-files.ts'
import { parsePattern, patternProblem } from './pattern.ts'
import { nothingRead, readSources, type Sources, type SourcesRead } from './read-sources.ts'

export interface StaticOptions {
  /** A directory of `*.yaml`, `*.yml` and `*.json` files. */
  readonly directory?: string
  /** Further files, directories and globs; they come after the directory. */
  readonly files?: readonly string[]
  /** How long the directories must be quiet after a change before they are read, in milliseconds; 100 when left out. */
  readonly debounceMs?: number
  /** How often they are read without notice of a change, in milliseconds; 10 seconds when left out. */
  readonly rereadMs?: number
  /** How often what cannot be read is tried, in milliseconds; 1 second when left out. */
  readonly retryMs?: number
}

const defaultDebounceMs = 100
const defaultRereadMs = 10_000
const defaultRetryMs = 1_000
/** A directory that is written to without pause is read after this many debounce times all the same. */
const debounceCapFactor = 20

/**
 * A registry in files: Istio's WorkloadEntry, WorkloadGroup and ServiceEntry documents and Weft's short form
 * (`mesh/resources/native.ts`), followed as they change. A broken file keeps what it last said and is reported by
 * `file:line:column`; a file or directory of the configuration that cannot be read is a failing registry. Throws
 * WEFT_CONFIG_INVALID when nothing is named, or something that is no path.
 */
export function createStaticAdapter(deps: AdapterDeps, options: StaticOptions): RegistryAdapter {
  const sources = sourcesOf(deps.name, options)
  return { watch: signal => watchFiles(deps, sources, options, signal) }
}

function sourcesOf(registry: string, { directory, files = [] }: StaticOptions): Sources {
  const invalid = (message: string) =>
    new MeshError('WEFT_CONFIG_INVALID', message, { fields: { registry }, next: 'correct the options of the registry' })
  if (directory === undefined && files.length === 0)
    throw invalid(`registry ${registry} names no directory and no files`)
  const patterns = files.map(text => {
    const problem = patternProblem(text)
    if (problem !== undefined) throw invalid(`files of registry ${registry}: ${JSON.stringify(text)} ${problem}`)
    return parsePattern(text, process.cwd())
  })
  return { directory: directory === undefined ? undefined : resolve(directory), files: patterns }
}

async function* watchFiles(
  deps: AdapterDeps,
  sources: Sources,
  options: StaticOptions,
  signal: AbortSignal,
): AsyncGenerator<RegistrySnapshot, void, undefined> {
  const { debounceMs = defaultDebounceMs, rereadMs = defaultRereadMs, retryMs = defaultRetryMs } = options
  const changes = createDirectoryChanges(deps.clock, { debounceMs, debounceCapMs: debounceMs * debounceCapFactor })
  const report = reporter(deps)
  const tell = problemLog(deps)
  let read = nothingRead
  let last: RegistrySnapshot | undefined
  try {
    while (!signal.aborted) {
      const tried = await tryRead(sources, read)
      if (signal.aborted) return
      if (tried.kind === 'failed') {
        changes.follow(new Map())
        report({ kind: 'failing', reason: tried.reason })
        await changes.next(retryMs, signal)
        continue
      }
      read = tried.read
      // following starts after this read, which may have missed a change in between: read again soon
      const justFollowed = changes.follow(read.directories)
      const snapshot = viewAll(deps.name, read)
      report({ kind: 'fresh' })
      tell(snapshot.problems)
      const next = sharing(last, snapshot)
      if (next !== last) {
        last = next
        yield next
      }
      await changes.next(justFollowed || read.unsettled ? debounceMs : rereadMs, signal)
    }
  } finally {
    changes.stop()
  }
}

async function tryRead(
  sources: Sources,
  before: SourcesRead,
): Promise<
  { readonly kind: 'read'; readonly read: SourcesRead } | { readonly kind: 'failed'; readonly reason: string }
> {
  try {
    return { kind: 'read', read: await readSources(sources, before) }
  } catch (error) {
    return { kind: 'failed', reason: describeError(error) }
  }
}

function viewAll(registryName: string, { views, problems }: SourcesRead): RegistrySnapshot {
  const all = [...views.values()]
  const merged = mergeFiles(
    registryName,
    all.map(view => view.content),
  )
  return { ...merged, problems: [...all.flatMap(view => view.problems), ...problems, ...merged.problems] }
}

/** Passes health on when it changes, not at every read. */
function reporter(deps: AdapterDeps): (health: AdapterHealth) => void {
  let last: AdapterHealth | undefined
  return health => {
    if (isDeepStrictEqual(health, last)) return
    if (health.kind === 'failing') deps.log.warn('registry files cannot be read', { reason: health.reason })
    else if (last !== undefined) deps.log.info('registry files can be read again')
    last = health
    deps.report(health)
  }
}

/** Logs each problem once, when it appears. */
function problemLog(deps: AdapterDeps): (problems: readonly RegistryProblem[]) => void {
  let known = new Set<string>()
  return problems => {
    const now = new Set(problems.map(problem => `${problem.item}: ${problem.reason}`))
    for (const problem of now) {
      if (!known.has(problem)) deps.log.warn('registry file has a problem', { problem })
    }
    known = now
  }
}
